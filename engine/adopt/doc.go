// Package adopt is about access that others gave before Assent came, or around
// it: what of it a request can stand for, what cannot be asked for and why, and
// what our own grants cover already. It is pure, and neither it nor anybody who
// uses it revokes what others granted.
package adopt
