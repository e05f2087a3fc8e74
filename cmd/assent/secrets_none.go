//go:build !cloud

package main

// managers is empty: the clouds' libraries are linked by -tags cloud only.
func managers() map[string]manager { return nil }
