// Package server is the HTTP edge of the engine, and the work that it sets off:
// webhooks in, a durable queue of pull requests to look at, sweeps that find what
// no webhook told of, health and metrics.
//
// Nothing true lives here. A webhook is only a hint where to look, and the queue
// only remembers hints: both may be lost at any moment, and the next sweep finds
// what there is to do. What is true is on the forge, in Git and on the platforms.
//
// The package decides nothing, and speaks to no forge and no platform: it is
// given the functions that do.
package server
