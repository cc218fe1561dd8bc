package swarm

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// colonySizes are the tasks, ten to a service.
var colonySizes = []int{1000, 3000, 10000, 30000}

func atSizes(b *testing.B, run func(b *testing.B, tasks int)) {
	b.Helper()
	for _, n := range colonySizes {
		b.Run(fmt.Sprintf("tasks=%d", n), func(b *testing.B) { run(b, n) })
	}
}

func filled(b *testing.B, tasks, perService int) (*Mirror, *colony) {
	b.Helper()
	m, _ := fullMirror(b)
	c := newColony(b, 100, tasks/perService, perService)
	m.replace(c.all())
	return m, c
}

// churn is the changes of a Swarm where containers restart here and there, without the cost of making them up.
func (c *colony) churn(i int) change {
	t := c.tasks[(i*7919)%len(c.tasks)]
	next := *t
	state := swarm.TaskStateStarting
	if t.Status.State == state {
		state = swarm.TaskStateRunning
	}
	c.advance(&next, state)
	c.tasks[(i*7919)%len(c.tasks)] = &next
	return change{kind: kindTask, id: next.ID, object: &next}
}

// One task changes its state; the changes come one by one.
func BenchmarkTaskChange(b *testing.B) {
	atSizes(b, func(b *testing.B, n int) {
		b.Helper()
		m, c := filled(b, n, 10)
		defer reportCPU(b)()
		for i := 0; b.Loop(); i++ {
			m.apply([]change{c.churn(i)})
		}
	})
}

// The same where all tasks are of one service, which is the most that a change can touch.
func BenchmarkTaskChangeOfLargeService(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("tasks=%d", n), func(b *testing.B) {
			m, c := filled(b, n, n)
			defer reportCPU(b)()
			for i := 0; b.Loop(); i++ {
				m.apply([]change{c.churn(i)})
			}
		})
	}
}

// A service is scaled by one; what it has of tasks stays.
func BenchmarkServiceChange(b *testing.B) {
	atSizes(b, func(b *testing.B, n int) {
		b.Helper()
		m, c := filled(b, n, 10)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			at := i * 7919 % len(c.services)
			b.StopTimer()
			s := remade(b, c.services[at])
			c.index++
			s.Version.Index = c.index
			replicas := *s.Spec.Mode.Replicated.Replicas ^ 1
			s.Spec.Mode.Replicated.Replicas = &replicas
			b.StartTimer()
			m.apply([]change{{kind: translate.GroupService, id: s.ID, object: s}})
			c.services[at] = s
		}
	})
}

// A task from its creation until it is forgotten, in as many batches as states.
func BenchmarkTaskLife(b *testing.B) {
	atSizes(b, func(b *testing.B, n int) {
		b.Helper()
		m, c := filled(b, n, 10)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s := c.services[i%len(c.services)]
			t := *m.world().Tasks(s.ID)[0]
			t.ID, t.NodeID, t.Slot, t.CreatedAt = c.id("t"), "", 11, time.Now()
			for _, state := range append([]swarm.TaskState{swarm.TaskStateNew}, taskStates...) {
				c.advance(&t, state)
				next := t
				m.apply([]change{{kind: kindTask, id: t.ID, object: &next}})
			}
			next := t
			c.advance(&next, swarm.TaskStateShutdown)
			next.DesiredState = swarm.TaskStateShutdown
			m.apply([]change{{kind: kindTask, id: t.ID, object: &next}})
			m.apply([]change{{kind: kindTask, id: t.ID}})
		}
	})
}

// The first full read.
func BenchmarkFill(b *testing.B) {
	atSizes(b, func(b *testing.B, n int) {
		b.Helper()
		c := newColony(b, 100, n/10, 10)
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			m, _ := fullMirror(b)
			all := c.all()
			b.StartTimer()
			m.replace(all)
		}
	})
}

// A full read that brings nothing new.
func BenchmarkRefill(b *testing.B) {
	atSizes(b, func(b *testing.B, n int) {
		b.Helper()
		m, c := filled(b, n, 10)
		for b.Loop() {
			m.replace(c.all())
		}
	})
}

// A node goes down and comes back.
func BenchmarkNodeStatus(b *testing.B) {
	atSizes(b, func(b *testing.B, n int) {
		b.Helper()
		m, c := filled(b, n, 10)
		for i := 0; b.Loop(); i++ {
			at := i / 2 % len(c.nodes)
			node := *c.nodes[at]
			c.index++
			node.Version.Index = c.index
			node.Status.State = []swarm.NodeState{swarm.NodeStateDown, swarm.NodeStateReady}[i%2]
			m.apply([]change{{kind: translate.GroupNode, id: node.ID, object: &node}})
		}
	})
}

// liveHeap is what a collection leaves.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc) / (1 << 20)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU reports what an operation costs on all cores, collections included. Time by the clock says
// little where others use the machine.
func reportCPU(b *testing.B) func() {
	b.Helper()
	b.ReportAllocs()
	runtime.GC()
	before := cpuTime()
	return func() {
		b.ReportMetric(float64(cpuTime()-before)/float64(b.N)/1e3, "cpu-µs/op")
	}
}

// What the mirror alone keeps: once filled, and when all histories are full.
func BenchmarkHeap(b *testing.B) {
	atSizes(b, func(b *testing.B, n int) {
		b.Helper()
		before := liveHeap()
		m, c := filled(b, n, 10)
		tasks := len(c.tasks)
		c.services, c.tasks = nil, nil
		filled := liveHeap() - before
		c.tasks = make([]*swarm.Task, 0, tasks)
		c.tasks = append(c.tasks, m.allTasks()...)
		for i := range 30000 {
			m.apply([]change{c.churn(i)})
		}
		c.tasks = nil
		churned := liveHeap() - before
		for b.Loop() {
			runtime.KeepAlive(m)
		}
		b.ReportMetric(filled, "MiB-filled")
		b.ReportMetric(churned, "MiB-churned")
		b.ReportMetric(0, "ns/op")
	})
}

func (m *Mirror) allTasks() []*swarm.Task {
	var all []*swarm.Task
	for _, tasks := range m.tasks {
		all = append(all, tasks...)
	}
	return all
}

// The same with the gateway's watch caches on top, and with all that 100,000 changes leave in their histories.
func BenchmarkCachedHeap(b *testing.B) {
	atSizes(b, func(b *testing.B, n int) {
		b.Helper()
		before := liveHeap()
		m, views := fullMirror(b)
		c := newColony(b, 100, n/10, 10)
		c.index += 1 << 20
		began := cpuTime()
		m.replace(c.all())
		caches := openAll(b, views)
		b.Log("filled in", cpuTime()-began)
		tasks := len(c.tasks)
		c.services, c.tasks = nil, nil
		filled := liveHeap() - before
		c.tasks = append(make([]*swarm.Task, 0, tasks), m.allTasks()...)
		changes := make(chan []change, batchLimit)
		go m.takeIn(b.Context(), changes)
		for i := range 100000 {
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
			c.now = time.Now().UTC()
			changes <- []change{c.churn(i)}
		}
		c.tasks = nil
		time.Sleep(time.Second)
		churned := liveHeap() - before
		for b.Loop() {
			runtime.KeepAlive(caches)
		}
		b.ReportMetric(filled, "MiB-filled")
		b.ReportMetric(churned, "MiB-churned")
		b.ReportMetric(0, "ns/op")
	})
}

// A hundred services of ten tasks get ten more each, in a Swarm of 10,000 tasks; a hundred clients watch all
// Pods. What it costs up to the clients' encoding, and what they are told.
func BenchmarkScaleOut(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		m, views := fullMirror(b)
		c := newColony(b, 100, 1000, 10)
		c.index += 1 << 20
		m.replace(c.all())
		pods := openAll(b, views)["Pod"]
		onlookers := make([]*onlooker, 100)
		for i := range onlookers {
			onlookers[i] = look(b, pods)
		}
		changes := make(chan []change, batchLimit)
		done := make(chan struct{})
		go func() { m.takeIn(b.Context(), changes); close(done) }()
		waves := c.scaleOut(100, 10)
		runtime.GC()
		before := cpuTime()
		b.StartTimer()
		for _, wave := range waves {
			time.Sleep(time.Until(wave.at))
			changes <- []change{wave.change}
		}
		close(changes)
		<-done
		time.Sleep(300 * time.Millisecond)
		b.ReportMetric(float64((cpuTime() - before).Milliseconds()), "cpu-ms")
		var told, cut int64
		for _, o := range onlookers {
			told, cut = told+o.told.Load(), cut+o.cut.Load()
		}
		b.ReportMetric(float64(told)/100, "told")
		b.ReportMetric(float64(cut)/100, "cut-off")
	}
}

type wave struct {
	at     time.Time
	change change
}

// scaleOut is what Swarm does when services are scaled: all at once, but the containers start in their time.
func (c *colony) scaleOut(services, by int) []wave {
	var waves []wave
	begin := time.Now().Add(2 * time.Second)
	delays := []time.Duration{20, 60, 80, 100, 350, 400, 700} // milliseconds, for taskStates
	for i := range services {
		s := remade(c.tb, c.services[i])
		c.index++
		s.Version.Index = c.index
		replicas := *s.Spec.Mode.Replicated.Replicas + uint64(by)
		s.Spec.Mode.Replicated.Replicas = &replicas
		at := begin.Add(time.Duration(i) * time.Millisecond)
		waves = append(waves, wave{at, change{kind: translate.GroupService, id: s.ID, object: s}})
		for slot := range by {
			c.now = at.UTC()
			t := c.newTask(s, 11+slot, swarm.TaskStateNew)
			waves = append(waves, wave{at.Add(5 * time.Millisecond), taskChange(t)})
			jitter := time.Duration(i*slot%600) * time.Millisecond
			for j, state := range taskStates {
				then := at.Add(delays[j]*time.Millisecond + jitter*time.Duration(j/4)/2)
				c.now = then.UTC()
				c.now = t.CreatedAt.Add(then.Sub(at))
				t = c.to(t, state)
				waves = append(waves, wave{then, taskChange(t)})
			}
		}
	}
	slices.SortStableFunc(waves, func(a, b wave) int { return a.at.Compare(b.at) })
	for i := range waves { // versions rise with time
		c.index++
		switch o := waves[i].change.object.(type) {
		case *swarm.Task:
			o.Version.Index = c.index
		case *swarm.Service:
			o.Version.Index = c.index
		}
	}
	return waves
}
