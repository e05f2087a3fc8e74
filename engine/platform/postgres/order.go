package postgres

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// keys are the keys of a map, in order.
func keys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// relNames are the relations of a map, in order.
func relNames[V any](m map[relName]V) []relName {
	return slices.SortedFunc(maps.Keys(m), relName.compare)
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func signed(n int64) string { return strconv.FormatInt(n, 10) }
