//go:build race

package repo

const slack = 20
