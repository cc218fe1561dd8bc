// Package scale measures skep on a large Swarm: 1,000 services of 10 tasks on 100 nodes, all of them make-believe
// (swarm/simulator), and beside it kube-apiserver and etcd with copies of the same 10,000 Pods and 1,000 Deployments.
//
//	go -C gateway/bench test ./scale -bench Scale -run '^$' -timeout 60m
//	SCALE_SERVICES=100    a Swarm of so many services, to try things out
//	SCALE_SOAK=1          only the soak: a million task changes, which take long
//	SCALE_ALONE=1         memory is read without the peer's beside it, which saves the minutes that copying takes
//	SCALE_KEEP=1          the run's folder stays, with everyone's logs
//	SIMULATE_BIN=FILE     the simulator (default: built from swarm/simulator)
//
// and BENCH_OUT, BENCH_STRICT and SKEP_BIN as in the package above, whose client, processes, turns and table these are.
//
//   - simulator.go, fixture.go, rig.go: a simulated Swarm with skep over it, and the services on it;
//   - swarm.go: what is asked and changed through the Docker Engine API, as by someone who knows nothing of skep;
//   - copy.go: skep's objects, brought to the peer;
//   - stream.go, audience.go: many watches at once, read as cheaply as can be, since the client shares the processors
//     with what it measures;
//   - informers.go, witness.go: client-go's reflectors with stores that look for events that must not be;
//   - proxy.go, metrics.go: what skep asks of the Engine, and what it holds.
//
// bench_test.go says what is measured, in this order; the other tests do it.
package scale
