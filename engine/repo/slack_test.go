//go:build !race

package repo

// slack stretches the time limits of tests where the race detector slows them.
const slack = 1
