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
	return slices.SortedFunc(maps.Keys(m), func(a, b relName) int {
		return cmp.Or(cmp.Compare(a.schema, b.schema), cmp.Compare(a.name, b.name))
	})
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
