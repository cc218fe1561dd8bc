package swarm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"skep/translate"
	"skep/translate/manifest"
)

// Hands reach the containers of a node, through its agent.
type Hands interface {
	// Update tells the sandbox that a container is what changed of its Pod.
	Update(ctx context.Context, nodeID, container string, pod translate.Key, u *manifest.Update) error
	// StartEphemeral starts a container in the namespaces of the one that a plain task is; once started it stays.
	StartEphemeral(ctx context.Context, nodeID, container string, pod translate.Key, uid string, c *corev1.EphemeralContainer) error
	// Ephemeral are the statuses of those that were started so.
	Ephemeral(ctx context.Context, nodeID, container string, pod translate.Key) ([]corev1.ContainerStatus, error)
	// Token makes a token of the Pod's ServiceAccount.
	Token(ctx context.Context, u *translate.PodUpdate, projection *corev1.ServiceAccountTokenProjection) (manifest.Token, error)
}

const (
	// updateRest is how long changes are gathered before they are handed on.
	updateRest = 100 * time.Millisecond
	// updateRetry and updateLate are the shortest and the longest time between two attempts to reach a node.
	updateRetry = time.Second
	updateLate  = time.Minute
	// updateTime is how long one attempt may take.
	updateTime = 30 * time.Second
	// updatesAtOnce is how many Pods are told at the same time.
	updatesAtOnce = 8
	// lookAgain is how often containers that someone debugs with are looked at.
	lookAgain = time.Second
)

// untold are the tasks whose Pods may have to hear of a change.
type untold struct {
	mu    sync.Mutex
	tasks map[string]bool
	ring  chan struct{}
}

func newUntold() untold { return untold{tasks: map[string]bool{}, ring: make(chan struct{}, 1)} }

func (u *untold) add(ids ...string) {
	if len(ids) == 0 {
		return
	}
	u.mu.Lock()
	for _, id := range ids {
		u.tasks[id] = true
	}
	u.mu.Unlock()
	select {
	case u.ring <- struct{}{}:
	default:
	}
}

func (u *untold) take() map[string]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.tasks
	u.tasks = map[string]bool{}
	return taken
}

// markUpdates notes whose Pods a batch may have changed.
func (m *Mirror) markUpdates(touched dirty) {
	var ids []string
	for g := range touched {
		if g.Kind != translate.GroupService {
			continue
		}
		plain := m.mayBeDebugged(g.ID)
		for _, t := range m.tasks[g.ID] {
			if m.sandboxes[t.ID] || plain {
				ids = append(ids, t.ID)
			}
		}
	}
	m.untold.add(ids...)
}

// mayBeDebugged says whether ephemeral containers may have been added to a service's Pods.
func (m *Mirror) mayBeDebugged(serviceID string) bool {
	if len(m.owned[serviceID]) > 0 {
		return true
	}
	s := m.services[serviceID]
	return s != nil && s.Spec.Labels[translate.LabelKind] == "Pod"
}

// markSource notes the Pods of a namespace when one of its ConfigMaps or Secrets changed.
func (m *Mirror) markSource(c *swarm.Config) {
	if c == nil || len(m.sandboxes) == 0 {
		return
	}
	if kind := c.Spec.Labels[translate.LabelKind]; kind != "ConfigMap" && kind != "Secret" {
		return
	}
	namespace := translate.StackNamespace(c.Spec.Labels)
	var ids []string
	for id := range m.sandboxes {
		if s := m.services[m.task[id].ServiceID]; s != nil && translate.StackNamespace(s.Spec.Labels) == namespace {
			ids = append(ids, id)
		}
	}
	m.untold.add(ids...)
}

// teller hands changes to the Pods that run.
type teller struct {
	m     *Mirror
	hands Hands
	slots chan struct{}

	mu   sync.Mutex
	busy map[string]bool
	told map[string][sha256.Size]byte // by task ID, what was told last
	late map[string]time.Duration     // how long the next attempt is put off
}

// KeepUpdates tells Pods that run what changed of their ConfigMaps, Secrets, labels and ephemeral containers, until the
// context ends. What has been told once is told again by a gateway that starts, and changes nothing then.
func (m *Mirror) KeepUpdates(ctx context.Context, hands Hands) {
	t := &teller{
		m: m, hands: hands, slots: make(chan struct{}, updatesAtOnce),
		busy: map[string]bool{}, told: map[string][sha256.Size]byte{}, late: map[string]time.Duration{},
	}
	m.mu.RLock()
	for id := range m.task {
		m.untold.add(id)
	}
	m.mu.RUnlock()
	for {
		select {
		case <-m.untold.ring:
		case <-ctx.Done():
			return
		}
		for id := range m.untold.take() {
			t.begin(ctx, id)
		}
		select {
		case <-time.After(updateRest):
		case <-ctx.Done():
			return
		}
	}
}

// begin sees to one task, unless that is being done.
func (t *teller) begin(ctx context.Context, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[id] {
		time.AfterFunc(updateRest, func() { t.m.untold.add(id) })
		return
	}
	work := t.plan(id)
	if work == nil {
		return
	}
	t.busy[id] = true
	go func() {
		t.slots <- struct{}{}
		attempt, cancel := context.WithTimeout(ctx, updateTime)
		again, err := work(attempt)
		cancel()
		<-t.slots
		t.done(id, again, err)
	}()
}

// done notes how it went, and when to come again: after a failure, or after a time; zero for not at all.
func (t *teller) done(id string, again time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, id)
	if err == nil {
		delete(t.late, id)
	} else {
		again = min(max(2*t.late[id], updateRetry), updateLate)
		t.late[id] = again
		klog.V(2).InfoS("A Pod has not heard of a change yet", "task", id, "again", again, "err", err)
	}
	if again > 0 {
		time.AfterFunc(again, func() { t.m.untold.add(id) })
	}
}

// plan is what is to be done for a task; nil for nothing.
func (t *teller) plan(id string) func(ctx context.Context) (again time.Duration, err error) {
	t.m.mu.RLock()
	defer t.m.mu.RUnlock()
	task := t.m.task[id]
	if task == nil || translate.Ended(task) {
		delete(t.told, id)
		delete(t.late, id)
		return nil
	}
	if !started(task) {
		return nil // its next change brings it here again
	}
	if !translate.Reported(task) {
		pod, uid, containers := translate.EphemeralContainers(t.m.world(), task)
		if len(containers) == 0 {
			return nil
		}
		return func(ctx context.Context) (time.Duration, error) { return t.debug(ctx, task, pod, uid, containers) }
	}
	u := translate.UpdateOf(t.m.world(), task)
	if u == nil {
		return nil
	}
	sum := digestOf(&u.Update)
	if told, ok := t.told[id]; ok && told == sum && len(u.Tokens) == 0 || !ok && !u.News {
		t.told[id] = sum
		return nil
	}
	return func(ctx context.Context) (time.Duration, error) { return t.tell(ctx, task, u, sum) }
}

func digestOf(u *manifest.Update) [sha256.Size]byte {
	doc, err := json.Marshal(u)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(doc)
}

// tell hands an update to a sandbox, with fresh tokens where it asks for some.
func (t *teller) tell(ctx context.Context, task *swarm.Task, u *translate.PodUpdate, sum [sha256.Size]byte) (again time.Duration, err error) {
	update := u.Update
	for i := range u.Tokens {
		token, err := t.hands.Token(ctx, u, &u.Tokens[i])
		if err != nil {
			return 0, err
		}
		if update.Tokens == nil {
			update.Tokens = map[string]manifest.Token{}
		}
		update.Tokens[manifest.TokenKey(&u.Tokens[i])] = token
		if life := time.Until(token.Expires.Time) * 8 / 10; again == 0 || life < again {
			again = life // as the kubelet renews them
		}
	}
	if err := t.hands.Update(ctx, task.NodeID, task.Status.ContainerStatus.ContainerID, u.Pod, &update); err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told[task.ID] = sum
	return again, nil
}

// debug starts what is to run beside a plain task, and tells what has become of it.
func (t *teller) debug(ctx context.Context, task *swarm.Task, pod translate.Key, uid string, containers []corev1.EphemeralContainer) (again time.Duration, err error) {
	id := task.Status.ContainerStatus.ContainerID
	for i := range containers {
		if err := t.hands.StartEphemeral(ctx, task.NodeID, id, pod, uid, &containers[i]); err != nil {
			t.m.takeEphemeral(task.ID, []corev1.ContainerStatus{{
				Name: containers[i].Name, Image: containers[i].Image,
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: err.Error()}},
			}})
			return 0, err
		}
	}
	statuses, err := t.hands.Ephemeral(ctx, task.NodeID, id, pod)
	if err != nil {
		return 0, err
	}
	t.m.takeEphemeral(task.ID, statuses)
	for i := range statuses {
		if statuses[i].State.Terminated == nil {
			return lookAgain, nil
		}
	}
	return 0, nil
}

// takeEphemeral keeps what is known of the containers beside a plain task.
func (m *Mirror) takeEphemeral(id string, statuses []corev1.ContainerStatus) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.task[id]
	if t == nil {
		return
	}
	r := &manifest.Report{Status: corev1.PodStatus{EphemeralContainerStatuses: statuses}}
	if was := m.reports[id]; was != nil && digestReport(was) == digestReport(r) {
		return
	}
	m.reports[id] = r
	touched := dirty{}
	touched.add(translate.GroupService, t.ServiceID)
	m.showQuietly(touched)
}

func digestReport(r *manifest.Report) string {
	doc, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	return string(doc)
}
