// Package swarm is the Swarm as a store of Kubernetes objects.
//
// In comes what the API server's registries ask of a storage.Interface; out go calls to the Docker Engine
// API. The way of a write: Store (create.go, update.go, delete.go) asks a lens of package translate for a
// Plan, Engine.run (plan.go) does its steps, and Mirror.await sees the change come back. The way of a read:
// a feed (feed_control.go: SwarmKit's own Watch API, wire.go: of which not all is read; feed_events.go: Docker's
// events and polling) tells the Mirror what changed (pace.go: many changes at once; poll.go: which tasks are looked at
// when; share.go: what is kept once; departures.go: what was gone before), each View asks its lens what that
// means, numbers the changes (revision.go), and its watchers, the API server's watch caches, are told.
//
// Nothing here is kept anywhere but in memory: the Swarm is the truth.
package swarm
