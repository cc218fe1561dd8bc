package bench

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// How many samples a figure has at least; -benchtime can only add to them.
const (
	starts      = 10
	gets        = 3000
	lists       = 100
	creates     = 300
	scalings    = 200 // up and down again: twice as many changes of a Deployment
	pollings    = 40
	listSize    = 1000
	readySize   = 100
	idleSettle  = 10 * time.Second
	idleMeasure = 60 * time.Second
)

const (
	table     = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" // what kubectl get asks for
	protobuf  = "application/vnd.kubernetes.protobuf"
	kubeAPI   = "kube-apiserver"
	kubeBoth  = "kube-apiserver + etcd"
	dockerAPI = "Docker API"
)

// quantiles are those that are reported, and promised where a promise has one.
var quantiles = [2]struct {
	name string
	q    float64
}{{"p50", .5}, {"p99", .99}}

// BenchmarkReady starts skep again and again on a Swarm of 100 services.
func BenchmarkReady(b *testing.B) {
	w := running(b)
	w.needGateway(b)
	w.seed(b, readySize)
	options := w.options("ready", w.engine.ControlSocket)
	begin := func() time.Duration {
		gateway, err := StartGateway(b.Context(), options)
		if err != nil {
			b.Fatal(err)
		}
		gateway.Stop()
		return gateway.Startup
	}
	first := begin()
	var again Samples
	Each(b, starts, func(int) { again = append(again, begin()) })
	figure, n := fmt.Sprintf("ready after start (%d services), ", w.seeded), fmt.Sprintf("%d starts", len(again))
	w.add(b, Row{Key: "ready-slowest", Figure: figure + "slowest", Value: Milliseconds(again.Quantile(1)), AtMost: 1000, Samples: n})
	w.add(b, Row{Key: "ready-p50", Figure: figure + "p50", Value: Milliseconds(again.Quantile(.5)), Samples: n})
	w.add(b, Row{Key: "ready-first", Figure: figure + "the very first, which makes a CA and keys", Value: Milliseconds(first), Samples: "1 start"})
}

// BenchmarkIdle leaves a freshly started skep, and the peer, in peace for a minute.
func BenchmarkIdle(b *testing.B) {
	w := running(b)
	w.seed(b, readySize)
	w.restartGateway(b)
	w.pass(b, idleSettle)
	var before, after map[string]Usage
	for b.Loop() {
		before = w.usages(b)
		w.pass(b, idleMeasure)
		after = w.usages(b)
	}
	figure := fmt.Sprintf("idle (%d services), ", w.seeded)
	window := fmt.Sprintf("%v after %v", idleMeasure, idleSettle)
	cpu := func(names ...string) Quantity {
		share := Quantity{0, "%"}
		for _, name := range names {
			share.Number += 100 * float64(after[name].CPU-before[name].CPU) / float64(idleMeasure)
		}
		return share
	}
	w.memory(b, "idle", figure, window, after, 150, 64)
	w.add(b, Row{
		Key: "idle-cpu", Figure: figure + "CPU of one core", Value: w.ofGateway(cpu("skep")),
		Against: kubeBoth, Reference: cpu(kubeAPI, "etcd"), AtMost: 1, Samples: window,
	})
}

// BenchmarkGet gets one Deployment after the other. The promise is about the consistent read that kubectl asks for.
func BenchmarkGet(b *testing.B) {
	for _, c := range []struct {
		key, name, query string
		atMost           float64
	}{
		{"consistent", "", "", 1},
		{"cached", " from the watch cache (resourceVersion=0)", "?resourceVersion=0", 0},
	} {
		b.Run(c.key, func(b *testing.B) {
			w := running(b)
			w.seed(b, listSize)
			peer, skep := w.against(b, 300, gets, func(i int) Request {
				return Request{Method: http.MethodGet, Path: deployments(listed) + "/" + seedName(i%listSize) + c.query}
			})
			for _, q := range quantiles {
				w.add(b, Row{
					Key: "get-" + c.key + "-" + q.name, Figure: "get a Deployment" + c.name + ", " + q.name,
					Value: w.ofGateway(Milliseconds(skep.Quantile(q.q))), Against: kubeAPI,
					Reference: Milliseconds(peer.Quantile(q.q)), AtMostTimes: c.atMost, Samples: fmt.Sprintf("%d each", len(peer)),
				})
			}
		})
	}
}

// BenchmarkList lists 1,000 Deployments: of skep, of the peer as it is, and of the peer after a controller's status was
// written to each. The promise is about what kubectl asks for; the rest tells where time goes.
func BenchmarkList(b *testing.B) {
	for _, c := range []struct {
		key, name string
		request   Request
		atMost    float64
	}{
		{"json", "JSON", Request{}, 0.8},
		{"table", "Table", Request{Accept: table}, 0.8},
		{"json-plain", "JSON, not compressed", Request{Uncompressed: true}, 0},
		{"table-plain", "Table, not compressed", Request{Accept: table, Uncompressed: true}, 0},
		{"protobuf", "protobuf", Request{Accept: protobuf}, 0},
	} {
		b.Run(c.key, func(b *testing.B) {
			w := running(b)
			w.seed(b, listSize)
			w.settle(b, listSize)
			of := func(namespace string) Request {
				request := c.request
				request.Method, request.Path = http.MethodGet, deployments(namespace)
				return request
			}
			at := func(client *Client, request Request) Turn {
				return func(int) (time.Duration, error) {
					answer, err := client.Do(b.Context(), request)
					return answer.Took, err
				}
			}
			turns := []Turn{at(w.peer.Client, of(listed)), at(w.peer.Client, of(settled))}
			sizes := []string{w.listSize(b, w.peer.Client, of(listed)), w.listSize(b, w.peer.Client, of(settled))}
			row := Row{Figure: fmt.Sprintf("list of %d Deployments, %s, p50", listSize, c.name), AtMostTimes: c.atMost}
			mine := "—"
			if w.gateway != nil {
				turns = append(turns, at(w.gateway.Client, of(listed)))
				mine = w.listSize(b, w.gateway.Client, of(listed))
			}
			samples := TakeTurns(b, 5, lists, turns...)
			if w.gateway != nil {
				row.Value = Milliseconds(samples[2].Quantile(.5))
			}
			for i, against := range []string{kubeAPI, kubeAPI + " with a controller's status"} {
				row.Key, row.Against = fmt.Sprintf("list-%s-%d", c.key, i), against
				row.Reference = Milliseconds(samples[i].Quantile(.5))
				row.Samples = fmt.Sprintf("%d each; %s against %s", len(samples[i]), mine, sizes[i])
				w.add(b, row)
			}
		})
	}
}

// BenchmarkCreate creates Deployments without replicas: through skep, as the same service straight at the Docker API,
// and at kube-apiserver.
func BenchmarkCreate(b *testing.B) {
	w := running(b)
	at := func(client *Client, request func(string) Request, prefix string) Turn {
		return func(int) (time.Duration, error) {
			answer, err := client.Do(b.Context(), request(w.newName(prefix)))
			return answer.Took, err
		}
	}
	manifest := func(name string) Request { return createDeployment(created, name, 0) }
	turns := []Turn{at(w.peer.Client, manifest, "peer")}
	if w.gateway != nil {
		twin := w.twin(b, manifest(w.newName("skep")))
		turns = append(turns, at(w.gateway.Client, manifest, "skep"), at(w.engine.Client, twin.Create, "twin"))
	}
	samples := TakeTurns(b, 20, creates, turns...)
	n := fmt.Sprintf("%d each", len(samples[0]))
	for i, q := range quantiles {
		row := Row{
			Key: "create-" + q.name, Figure: "create a Deployment of no replicas, " + q.name,
			Against: kubeAPI, Reference: Milliseconds(samples[0].Quantile(q.q)), AtMostTimes: [...]float64{2, 0}[i], Samples: n,
		}
		if w.gateway != nil {
			row.Value = Milliseconds(samples[1].Quantile(q.q))
		}
		w.add(b, row)
		if w.gateway != nil {
			row.Key, row.Against, row.AtMostTimes = "create-docker-"+q.name, dockerAPI, [...]float64{1.5, 0}[i]
			row.Reference = Milliseconds(samples[2].Quantile(q.q))
			w.add(b, row)
		}
	}
}

// BenchmarkWatch sees when watches hear of `docker service scale`; the peer's hear of a PATCH of replicas.
func BenchmarkWatch(b *testing.B) {
	w := running(b)
	b.Run("peer", w.watchPeer)
	b.Run("control-socket", func(b *testing.B) {
		w.needGateway(b)
		w.watchScaling(b, w.gateway, watching{
			key: "control", how: "with the control socket", rounds: scalings,
			change: [2]float64{20, 100}, task: [2]float64{20, 100},
		})
	})
	b.Run("polling", func(b *testing.B) {
		w.needGateway(b)
		gateway, err := StartGateway(b.Context(), w.options("polling", "none"))
		if err != nil {
			b.Fatal(err)
		}
		defer gateway.Stop()
		w.watchScaling(b, gateway, watching{
			key: "polling", how: "without the control socket", rounds: pollings,
			change: [2]float64{20, 100}, task: [2]float64{1000, 1000},
		})
	})
}

// BenchmarkAfter reads what skep and the peer hold after all of the above.
func BenchmarkAfter(b *testing.B) {
	w := running(b)
	var now map[string]Usage
	for b.Loop() {
		now = w.usages(b)
	}
	w.memory(b, "after", "after all that ran before, ", "1", now, 0, 0)
}
