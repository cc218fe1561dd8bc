package scale

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"skep/gateway/bench"
)

const (
	kubeAPI  = "kube-apiserver"
	kubeBoth = "kube-apiserver + etcd"
)

// world is what a run measures: the large Swarm, and the peer with copies. It is made by the first benchmark that wants
// it, the peer by the first that compares, and ends with the run.
type world struct {
	*rig
	dir    string
	where  string // machine, before it was busy with us
	peer   *bench.Peer
	report bench.Report

	end, folder, large, compare sync.Once
	err                         error
}

var theWorld = &world{}

func TestMain(m *testing.M) {
	bench.Run(m, theWorld.stop, func() error { return theWorld.report.Publish(theWorld.where) })
}

// prepared is the world with its folder and no more.
func prepared(b *testing.B) *world {
	b.Helper()
	w := theWorld
	w.folder.Do(func() { w.err = w.makeFolder() })
	w.check(b)
	return w
}

func (w *world) makeFolder() error {
	var err error
	if w.dir, err = os.MkdirTemp("", "skep-scale-"); err != nil {
		return err
	}
	w.where = bench.Machine(w.dir)
	return nil
}

// running is the world with the large Swarm, and skep over it.
func running(b *testing.B) *world {
	b.Helper()
	w := prepared(b)
	w.large.Do(func() {
		began := time.Now()
		w.rig, w.err = startRig(b.Context(), filepath.Join(w.dir, "large"))
		if w.err == nil {
			w.err = w.grow(b.Context(), size())
		}
		b.Logf("%d services run after %v", size(), time.Since(began).Round(time.Second))
	})
	w.check(b)
	return w
}

// compared is the world with the peer, too.
func compared(b *testing.B) *world {
	b.Helper()
	w := running(b)
	w.compare.Do(func() {
		began := time.Now()
		w.err = w.startPeer(b.Context())
		b.Logf("the peer has the same after %v", time.Since(began).Round(time.Second))
	})
	w.check(b)
	return w
}

func (w *world) startPeer(ctx context.Context) error {
	dir := filepath.Join(w.dir, "peer")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	var err error
	if w.peer, err = bench.StartPeer(ctx, dir, peerFlags...); err != nil {
		return err
	}
	return copyTo(ctx, w.peer.Client, w.gateway.Client)
}

// check ends a benchmark when the world could not be made, or one of its programs has ended.
func (w *world) check(b *testing.B) {
	b.Helper()
	if w.err != nil {
		b.Fatal(w.err)
	}
	processes := []*bench.Process{}
	if w.rig != nil {
		processes = append(processes, w.swarm.Process, w.gateway.Process)
	}
	if w.peer != nil {
		processes = append(processes, w.peer.APIServer, w.peer.Etcd)
	}
	for _, process := range processes {
		if err := process.Err(); err != nil {
			b.Fatal(err)
		}
	}
}

// stop ends everything and removes its files.
func (w *world) stop() {
	w.end.Do(func() {
		_ = w.rig.stop() // the benchmarks have told
		if w.peer != nil {
			w.peer.Stop()
		}
		if w.dir != "" && os.Getenv("SCALE_KEEP") == "" {
			_ = os.RemoveAll(w.dir) // a temporary folder
		}
	})
}

// must ends the benchmark at an error.
func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// usage is what a process holds and has used.
func usage(b *testing.B, process *bench.Process) bench.Usage {
	b.Helper()
	u, err := process.Usage()
	must(b, err)
	return u
}
