package swarm

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	"k8s.io/klog/v2"

	"skep/translate"
	"skep/translate/manifest"
)

const (
	// reportLines is how far back the last report is looked for in a task's log.
	reportLines = "20"
	// reportMax is the longest report in bytes: of a Pod with very many containers.
	reportMax = 4 << 20
	// reportRest and reportLate are the shortest and the longest time between two attempts at a task's log.
	reportRest = 200 * time.Millisecond
	reportLate = 30 * time.Second
	// firstReports is how long the first reports are waited for: until then no client is served.
	firstReports = 3 * time.Second
	// reportsTogether is how long reports are gathered: each has all Pods of its service looked at.
	reportsTogether = 20 * time.Millisecond
)

// Report implements translate.Reports.
func (w world) Report(taskID string) *manifest.Report { return w.m.reports[taskID] }

// KeepReports has the mirror hear what sandboxes say of their Pods, each from the log of its task, until the context
// ends: any manager reads the log of any node's task.
func (m *Mirror) KeepReports(ctx context.Context, e *Engine) {
	followed := map[string]context.CancelFunc{}
	said := make(chan report, 64)
	go m.takeReports(ctx, said)
	for {
		m.mu.RLock()
		live := make(map[string]bool, len(m.sandboxes))
		for id := range m.sandboxes {
			live[id] = started(m.task[id])
		}
		changed := m.changed
		m.mu.RUnlock()
		for id, cancel := range followed {
			if !live[id] {
				cancel()
				delete(followed, id)
			}
		}
		for id, begun := range live {
			if begun && followed[id] == nil {
				follow, cancel := context.WithCancel(ctx)
				followed[id] = cancel
				go e.followReports(follow, m, id, said)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// started says whether a task has, or had, a container.
func started(t *swarm.Task) bool {
	return t != nil && t.Status.ContainerStatus != nil && t.Status.ContainerStatus.ContainerID != ""
}

// followReports reads a sandbox's reports until its task has ended, and then the last one once more: following a log
// may miss what is said last.
func (e *Engine) followReports(ctx context.Context, m *Mirror, id string, said chan<- report) {
	rest := reportRest
	for ctx.Err() == nil {
		over := m.taskOver(id)
		heard, err := e.readReports(ctx, m, id, !over, said)
		switch {
		case over && (err == nil || heard):
			return
		case heard:
			rest = reportRest
		default:
			rest = min(2*rest, reportLate)
		}
		if err != nil {
			klog.V(2).InfoS("A sandbox is not heard", "task", id, "err", err)
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
		}
	}
}

func (m *Mirror) taskOver(id string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.task[id] == nil || translate.Ended(m.task[id])
}

// readReports reads a task's log to its end; heard says whether there was a report in it.
func (e *Engine) readReports(ctx context.Context, m *Mirror, id string, follow bool, said chan<- report) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if follow {
		go m.endWithTask(ctx, id, cancel)
	}
	body, err := e.TaskLogs(ctx, id, container.LogsOptions{ShowStdout: true, Follow: follow, Tail: reportLines})
	if err != nil {
		return false, err
	}
	log := &logReader{body: body, cancel: cancel, left: -1}
	defer func() { _ = log.Close() }()
	return scanReports(log, func(r *manifest.Report) {
		select {
		case said <- report{id, r}:
		case <-ctx.Done():
		}
	})
}

// scanReports reads lines that are reports; others are passed over.
func scanReports(log io.Reader, take func(*manifest.Report)) (heard bool, err error) {
	lines := bufio.NewScanner(log)
	lines.Buffer(make([]byte, 0, 4096), reportMax)
	for lines.Scan() {
		r := &manifest.Report{}
		if json.Unmarshal(lines.Bytes(), r) == nil && r.Status.Phase != "" {
			take(r)
			heard = true
		}
	}
	return heard, lines.Err()
}

// report is what the sandbox that a task is said.
type report struct {
	task string
	said *manifest.Report
}

// takeReports takes in what sandboxes say, what comes together at once.
func (m *Mirror) takeReports(ctx context.Context, said <-chan report) {
	for {
		var together []report
		select {
		case r := <-said:
			together = append(together, r)
		case <-ctx.Done():
			return
		}
		for full := time.After(reportsTogether); full != nil; {
			select {
			case r := <-said:
				together = append(together, r)
			case <-full:
				full = nil
			}
		}
		m.applyReports(together)
	}
}

// applyReports keeps what was said last of each task, and the Events that are new.
func (m *Mirror) applyReports(all []report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	touched := dirty{}
	for _, r := range all {
		t := m.task[r.task]
		if t == nil {
			continue
		}
		if was := m.reports[t.ID]; was == nil || r.said.Number >= was.Number { // a log is read from further back than it was left
			m.reports[t.ID] = r.said
		}
		touched.add(translate.GroupService, t.ServiceID)
		for _, e := range translate.ReportEvents(m.world(), t, r.said.Events) {
			m.events.count(e, touched)
		}
	}
	m.showQuietly(touched)
}

// awaitReports hears each sandbox once before the mirror first counts as read: else Pods that are ready would not seem
// so for a moment each time a gateway starts.
func (e *Engine) awaitReports(ctx context.Context, m *Mirror, all []change) {
	if m.everRead() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstReports)
	defer cancel()
	type first struct {
		id string
		r  *manifest.Report
	}
	heard := make(chan first, len(all))
	asked := 0
	for _, c := range all {
		t, ok := c.object.(*swarm.Task)
		if !ok || !translate.Reported(t) || !started(t) {
			continue
		}
		asked++
		go func(id string) {
			f := first{id: id}
			if body, err := e.TaskLogs(ctx, id, container.LogsOptions{ShowStdout: true, Tail: reportLines}); err == nil {
				log := &logReader{body: body, cancel: func() {}, left: -1}
				_, _ = scanReports(log, func(r *manifest.Report) { f.r = r })
				_ = log.Close()
			}
			heard <- f
		}(t.ID)
	}
	for range asked {
		select {
		case f := <-heard:
			if f.r != nil {
				f.r.Events = nil // they are no news
				m.mu.Lock()
				m.reports[f.id] = f.r
				m.mu.Unlock()
			}
		case <-ctx.Done():
			return
		}
	}
}

// everRead says whether the whole Swarm has been read once.
func (m *Mirror) everRead() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.synced
}
