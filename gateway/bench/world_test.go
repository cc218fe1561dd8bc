package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// world is what a run measures. It is made by the first benchmark that wants it and ends with the run.
type world struct {
	dir       string
	where     string // machine, before it was busy with us
	peer      *Peer
	engine    *Engine
	gateway   *Gateway // nil with BENCH_ONLY=peer
	seeded    int      // Deployments in the namespace that is listed
	settled   int      // and in the one that is settled
	names     int      // given by newName
	peerWatch Samples  // how long kube-apiserver's watch took
	report    Report

	begin, end sync.Once
	err        error
}

var theWorld = &world{}

func TestMain(m *testing.M) {
	Run(m, theWorld.stop, func() error { return theWorld.report.Publish(theWorld.where) })
}

// running is the world, started.
func running(b *testing.B) *world {
	b.Helper()
	w := theWorld
	w.begin.Do(func() { w.err = w.start(b.Context()) })
	if w.err != nil {
		b.Fatal(w.err)
	}
	return w
}

func (w *world) start(ctx context.Context) error {
	var err error
	if w.dir, err = os.MkdirTemp("", "skep-bench-"); err != nil {
		return err
	}
	w.where = Machine(w.dir)
	if w.peer, err = StartPeer(ctx, w.dir); err != nil {
		return err
	}
	clients := []*Client{w.peer.Client}
	if os.Getenv("BENCH_ONLY") != "peer" {
		if err := w.startGateway(ctx); err != nil {
			return err
		}
		clients = append(clients, w.gateway.Client)
	}
	for _, client := range clients {
		for _, namespace := range []string{listed, settled, created, watched} {
			body := encode(object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": namespace}})
			if _, err := client.Do(ctx, Request{Method: http.MethodPost, Path: "/api/v1/namespaces", Body: body}); err != nil {
				return err
			}
		}
	}
	return nil
}

// startGateway starts skep, and the engine when it is not there yet.
func (w *world) startGateway(ctx context.Context) error {
	if _, err := GatewayProgram(); err != nil {
		return fmt.Errorf("BENCH_ONLY=peer does without: %w", err)
	}
	var err error
	if w.engine == nil {
		if w.engine, err = StartEngine(ctx, filepath.Join(os.TempDir(), "skep-bench-engine")); err != nil {
			return err
		}
	}
	w.gateway, err = StartGateway(ctx, w.options("skep", w.engine.ControlSocket))
	return err
}

func (w *world) restartGateway(b *testing.B) {
	b.Helper()
	if w.gateway == nil {
		return
	}
	w.gateway.Stop()
	if err := w.startGateway(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func (w *world) needGateway(b *testing.B) {
	b.Helper()
	if w.gateway == nil {
		b.Skip("no skep in this run")
	}
}

// options puts a gateway's files into a folder of its own.
func (w *world) options(name, controlSocket string) GatewayOptions {
	return GatewayOptions{Dir: filepath.Join(w.dir, name), Socket: w.engine.Socket, ControlSocket: controlSocket}
}

func (w *world) processes() map[string]*Process {
	all := map[string]*Process{kubeAPI: w.peer.APIServer, "etcd": w.peer.Etcd}
	if w.gateway != nil {
		all["skep"] = w.gateway.Process
	}
	return all
}

// stop ends everything and removes its files.
func (w *world) stop() {
	w.end.Do(func() {
		if w.gateway != nil {
			w.gateway.Stop()
		}
		if w.engine != nil {
			if err := w.engine.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		if w.peer != nil {
			w.peer.Stop()
		}
		if w.dir != "" {
			if err := os.RemoveAll(w.dir); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	})
}

// newName is a name that no other object of the run has; names with prefixes of one length have one length.
func (w *world) newName(prefix string) string {
	w.names++
	return fmt.Sprintf("%s-%06d", prefix, w.names)
}

// ofGateway is a quantity of skep's, or none where skep does not run.
func (w *world) ofGateway(q Quantity) Quantity {
	if w.gateway == nil {
		return Quantity{}
	}
	return q
}

// add puts a row into the table and its numbers into the benchmark's own line.
func (w *world) add(b *testing.B, row Row) {
	b.Helper()
	w.report.Note(b, row)
}
