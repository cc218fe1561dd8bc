// Package simulator is a Swarm whose containers are make-believe: SwarmKit's own store, control API, orchestrators,
// scheduler and watch API run in process, and simulated nodes carry their tasks through the states that an Engine's
// agent would.
//
// What stands where, in the order in which a change passes through:
//
//   - log.go: the raft log's stand-in, which numbers transactions and remembers the last of them;
//   - manager.go: SwarmKit's parts over that store, and the cluster that they find at their start;
//   - allocator.go: addresses, virtual IPs and ports for services and tasks;
//   - node.go: the simulated nodes and their states;
//   - agent.go: the tasks that are assigned to them, moved from state to state by rules.go;
//   - output.go: the lines that simulated containers write;
//   - control.go: SwarmKit's control socket, with the TLS of a manager.
//
// The folder engine serves the Docker Engine API over it; skep-simulate is the program of both.
//
// It is a module of its own: SwarmKit's manager and Kubernetes want different versions of etcd's raft.
package simulator
