package sandbox

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate/manifest"
)

// Config is what a Sandbox needs.
type Config struct {
	Pod     *corev1.Pod // whole, with status.podIP
	Sandbox string      // ID of the sandbox's own container
	Engine  Engine
	Maker   Maker
	Reports io.Writer   // gets a manifest.Report in a line whenever something changed
	Log     *log.Logger // for diagnostics
}

// Sandbox is the life of one Pod.
type Sandbox struct {
	Config
	probes handlers
	queue  chan func()
	closed chan struct{} // Run has returned

	units       []*unit // init containers, containers, ephemeral ones, each in the order of the spec
	mounted     bool    // the volumes are there
	mounting    bool
	mountDelay  time.Duration
	initialized bool  // a container that is no init container has been started
	starting    *unit // one at a time, as a kubelet does
	resetting   bool  // all containers are to start anew
	ending      *ending
	over        bool
	wasReady    bool

	// life ends when no container may be started any more, work when the sandbox is over.
	life, work   context.Context
	endLife, end context.CancelFunc

	startTime metav1.Time
	told      []byte // the status that was reported last
	reported  int64  // how many reports were written
	status    corev1.PodStatus
	events    []manifest.Event
	spam      map[string]*bucket
	waking    bool // the loop will look for events to be told
}

// ending is why the Pod comes to its end.
type ending struct {
	reason, message string // of the Pod's status
	failed          bool   // whatever its containers say
	stopped         bool   // from outside
}

// New is a sandbox that has not begun.
func New(c Config) *Sandbox {
	s := &Sandbox{
		Config: c, queue: make(chan func(), 64), closed: make(chan struct{}), probes: newHandlers(),
		startTime: metav1.NewTime(time.Now().Truncate(time.Second)), spam: map[string]*bucket{},
	}
	for i := range c.Pod.Spec.InitContainers {
		s.units = append(s.units, &unit{spec: &c.Pod.Spec.InitContainers[i], role: manifest.RoleInit})
	}
	for i := range c.Pod.Spec.Containers {
		s.units = append(s.units, &unit{spec: &c.Pod.Spec.Containers[i], role: manifest.RoleContainer})
	}
	for i := range c.Pod.Spec.EphemeralContainers {
		s.units = append(s.units, ephemeral(&c.Pod.Spec.EphemeralContainers[i]))
	}
	return s
}

func ephemeral(c *corev1.EphemeralContainer) *unit {
	return &unit{
		spec: (*corev1.Container)(&c.EphemeralContainerCommon), role: manifest.RoleEphemeral, target: c.TargetContainerName,
	}
}

// Run lives the Pod's life until it has ended by itself or stop is done. It returns the exit code of the sandbox, by which
// Swarm decides whether to start the task again. Of a Pod that ended by itself the containers are left, for their logs; when
// stopped, all are removed.
func (s *Sandbox) Run(stop context.Context) int {
	s.work, s.end = context.WithCancel(context.WithoutCancel(stop))
	s.life, s.endLife = context.WithCancel(s.work)
	defer close(s.closed)
	defer s.end()
	s.removeAll() // what an earlier life of this very container left
	go s.watch()
	if d := s.Pod.Spec.ActiveDeadlineSeconds; d != nil {
		s.after(time.Until(s.startTime.Add(seconds(*d))), func() {
			s.event(nil, corev1.EventTypeNormal, deadlineReason, deadlineMessage)
			s.finish(ending{reason: deadlineReason, message: deadlineMessage, failed: true})
		})
	}
	s.mount()
	asked := stop.Done()
	for {
		s.sync()
		if s.over || len(s.queue) == 0 {
			s.flush()
		}
		if s.over {
			break
		}
		select {
		case f := <-s.queue:
			f()
		case <-asked:
			asked = nil
			s.finish(ending{stopped: true})
		}
	}
	if s.ending.stopped {
		s.removeAll()
	}
	return s.exitCode()
}

// The reason and the message of a kubelet for a Pod whose activeDeadlineSeconds are over.
const (
	deadlineReason  = "DeadlineExceeded"
	deadlineMessage = "Pod was active on the node longer than the specified deadline"
)

// post has the loop call f. It may be called from anywhere but the loop.
func (s *Sandbox) post(f func()) {
	select {
	case s.queue <- f:
	case <-s.closed:
	}
}

// after has the loop call f, which may be nil to have it look again, in a while.
func (s *Sandbox) after(d time.Duration, f func()) {
	if f == nil {
		f = func() {}
	}
	time.AfterFunc(d, func() { s.post(f) })
}

// sleep is false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func seconds[T int32 | int64](n T) time.Duration { return time.Duration(n) * time.Second }

// mount has the volumes filled, beside the loop; no container starts before.
func (s *Sandbox) mount() {
	if s.mounted || s.mounting || s.ending != nil {
		return
	}
	s.mounting = true
	go func() {
		err := s.Maker.Setup()
		s.post(func() {
			s.mounting = false
			if s.mounted = err == nil; s.mounted {
				return
			}
			s.event(nil, corev1.EventTypeWarning, "FailedMount", err.Error())
			s.mountDelay = min(max(2*s.mountDelay, time.Second), 2*time.Minute)
			s.after(s.mountDelay, s.mount)
		})
	}()
}

// watch hears of containers that end, and looks at all of them whenever it may have missed something.
func (s *Sandbox) watch() {
	for {
		err := s.Engine.Deaths(s.work, s.Sandbox, func() { s.post(s.lookAtAll) }, func(id string) { s.observe(id) })
		if s.work.Err() != nil {
			return
		}
		s.Log.Printf("%v; asking again", err)
		if !sleep(s.work, time.Second) {
			return
		}
	}
}

func (s *Sandbox) lookAtAll() {
	for _, u := range s.units {
		if u.alive() {
			go s.observe(u.id)
		}
	}
}

// observe asks how the container fares, and has the loop know if it has ended.
func (s *Sandbox) observe(id string) {
	state, err := s.Engine.State(s.work, id)
	switch {
	case isMissing(err):
		s.post(func() { s.died(id, vanished()) })
	case err != nil:
		s.Log.Printf("cannot inspect container %s: %v", id, err)
	case !state.Running && !state.FinishedAt.IsZero() && state.FinishedAt.Year() > 1:
		s.post(func() { s.examine(id, state) })
	}
}

// examine finds the message that the container has left, and has it buried.
func (s *Sandbox) examine(id string, state State) {
	u := s.find(id)
	if u == nil || !u.alive() {
		return
	}
	c, attempt := u.spec, u.attempts-1
	go func() {
		message := s.lastWords(c, attempt, id, state)
		s.post(func() { s.died(id, terminated(state, message)) })
	}()
}

// messageFromLog and messageLines bound a termination message that is the end of a log.
const (
	messageFromLog = 2048
	messageLines   = 80
)

func (s *Sandbox) lastWords(c *corev1.Container, attempt int, id string, state State) string {
	message, err := s.Maker.TerminationMessage(c, attempt)
	if err != nil {
		return fmt.Sprintf("Error on reading termination log %s: %v", c.TerminationMessagePath, err)
	}
	if message == "" && state.ExitCode != 0 && c.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError {
		end, err := s.Engine.Tail(s.work, id, messageLines)
		if err != nil {
			return fmt.Sprintf("Error on reading termination message from logs: %v", err)
		}
		return string(end)
	}
	return message
}

// died buries a container of which is known how it ended.
func (s *Sandbox) died(id string, end corev1.ContainerStateTerminated) {
	u := s.find(id)
	if u == nil || !u.alive() {
		return
	}
	u.ended(end)
	action, ok := matchingRule(u.spec, end.ExitCode)
	if ok && action == corev1.ContainerRestartRuleActionRestartAllContainers && s.ending == nil {
		s.resetting = true
	}
}

func (s *Sandbox) find(id string) *unit {
	for _, u := range s.units {
		if u.id == id && id != "" {
			return u
		}
	}
	return nil
}

func (s *Sandbox) named(name string) *unit {
	for _, u := range s.units {
		if u.spec.Name == name {
			return u
		}
	}
	return nil
}

// vanished is how a container ended that somebody has removed.
func vanished() corev1.ContainerStateTerminated {
	return corev1.ContainerStateTerminated{
		ExitCode: 137, Reason: "ContainerStatusUnknown",
		Message: "The container could not be located when the pod was terminated", FinishedAt: metav1.Now(),
	}
}
