package swarm

import (
	"cmp"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

func (m *Mirror) applyTask(c change, touched dirty) uint64 {
	old := m.task[c.id]
	t, _ := c.object.(*swarm.Task)
	if t == nil {
		if old == nil {
			return 0
		}
		m.depart(old.ServiceID, max(c.index, old.Version.Index))
		m.removeTask(old, touched)
		return c.index
	}
	if old != nil && t.Version.Index <= old.Version.Index || old == nil && c.known || t.ServiceID == "" {
		return 0
	}
	m.shareTask(t, old)
	m.task[t.ID] = t
	if old == nil && translate.Reported(t) {
		m.sandboxes[t.ID] = true
	}
	m.tasks[t.ServiceID] = placeTask(m.tasks[t.ServiceID], old, t)
	touched.add(translate.GroupService, t.ServiceID)
	m.events.note(observed{oldTask: old, task: t})
	return t.Version.Index
}

func (m *Mirror) removeTask(old *swarm.Task, touched dirty) {
	service := old.ServiceID
	m.events.note(observed{oldTask: old})
	delete(m.task, old.ID)
	delete(m.sandboxes, old.ID)
	delete(m.reports, old.ID)
	touched.add(translate.GroupService, service)
	m.tasks[service] = placeTask(m.tasks[service], old, nil)
	if len(m.tasks[service]) > 0 {
		return
	}
	delete(m.tasks, service)
	if _, ok := m.gone[service]; ok {
		delete(m.gone, service)
		delete(m.workloads, service)
	}
	if m.services[service] == nil {
		delete(m.departed, service)
	}
}

// newestFirst is the order of a service's tasks. None of it changes in a task's life.
func newestFirst(a, b *swarm.Task) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
}

// placeTask is a copy of tasks with now, where it is not nil, in the place of old.
func placeTask(tasks []*swarm.Task, old, now *swarm.Task) []*swarm.Task {
	out := make([]*swarm.Task, 0, len(tasks)+1)
	if old != nil {
		if at := slices.Index(tasks, old); at >= 0 && now != nil && now.CreatedAt.Equal(old.CreatedAt) {
			out = append(out, tasks...)
			out[at] = now
			return out
		} else if at >= 0 {
			tasks = append(append(out, tasks[:at]...), tasks[at+1:]...)
		}
	}
	if now == nil {
		return tasks
	}
	at, _ := slices.BinarySearchFunc(tasks, now, newestFirst)
	return slices.Insert(slices.Clone(tasks), at, now)
}

// taskChanges are the tasks of a list that the mirror does not have so, and those that it has and the list has
// not. The list is of some services' tasks, or with nil of all.
func (m *Mirror) taskChanges(list []swarm.Task, services []string) []change {
	m.mu.RLock()
	defer m.mu.RUnlock()
	present := make(map[string]bool, len(list))
	for i := range list {
		present[list[i].ID] = true
	}
	changes := m.newerTasks(list)
	if services == nil {
		services = slices.Collect(maps.Keys(m.tasks))
	}
	for _, id := range services {
		for _, t := range m.tasks[id] {
			if !present[t.ID] {
				changes = append(changes, change{kind: kindTask, id: t.ID})
			}
		}
	}
	return changes
}

// newerTasks are the tasks of a list that the mirror does not have so, in the order of their versions. The
// mirror is locked.
func (m *Mirror) newerTasks(list []swarm.Task) []change {
	var changes []change
	for i := range list {
		if old := m.task[list[i].ID]; old == nil || old.Version.Index < list[i].Version.Index {
			changes = append(changes, change{kind: kindTask, id: list[i].ID, object: slimTask(&list[i])})
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Compare(a.object.(*swarm.Task).Version.Index, b.object.(*swarm.Task).Version.Index)
	})
	return changes
}
