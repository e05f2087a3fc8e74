//go:build !race

package main

// racing says that the race detector watches: it does not.
const racing = false
