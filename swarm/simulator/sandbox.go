package simulator

import (
	"encoding/json"
	"time"

	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// skep's own sandboxes are known by their command, and find their Pod in a config (translate/manifest has both, and what
// they report).
const (
	sandboxCommand = "/skep-pod"
	sandboxPod     = "/pod/pod.json"
)

// pod is what is read of a sandbox's Pod.
type pod struct {
	Spec struct {
		InitContainers []podContainer `json:"initContainers"`
		Containers     []podContainer `json:"containers"`
	} `json:"spec"`
}

type podContainer struct {
	Name          string `json:"name"`
	Image         string `json:"image"`
	RestartPolicy string `json:"restartPolicy"`
}

// podOf is the Pod of a task that is a sandbox; nil for any other.
func podOf(s *store.MemoryStore, t *api.Task) *pod {
	spec := t.Spec.GetContainer()
	if spec == nil || len(spec.Command) == 0 || spec.Command[0] != sandboxCommand {
		return nil
	}
	found := &pod{}
	s.View(func(tx store.ReadTx) {
		for _, ref := range spec.Configs {
			if ref.GetFile() == nil || ref.GetFile().Name != sandboxPod {
				continue
			}
			if c := store.GetConfig(tx, ref.ConfigID); c != nil {
				_ = json.Unmarshal(c.Spec.Data, found) // a Pod that cannot be read has no containers
			}
		}
	})
	return found
}

// sandboxLines are a simulated sandbox's reports: that all containers run, then that they have ended.
func (c *container) sandboxLines(p *pod) []Line {
	if c.running.IsZero() {
		return nil
	}
	lines := []Line{{At: c.running, Text: c.report(p, c.running, false)}}
	if !c.ended.IsZero() {
		lines = append(lines, Line{At: c.ended, Text: c.report(p, c.ended, true)})
	}
	return lines
}

func (c *container) report(p *pod, at time.Time, over bool) string {
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	ended := func(code int32) map[string]any {
		return map[string]any{"terminated": map[string]any{
			"exitCode": code, "reason": map[bool]string{true: "Completed", false: "Error"}[code == 0],
			"startedAt": stamp(c.running), "finishedAt": stamp(at), "containerID": "docker://" + c.id,
		}}
	}
	status := func(of podContainer, state map[string]any, up bool) map[string]any {
		return map[string]any{
			"name": of.Name, "image": of.Image, "imageID": of.Image, "containerID": "docker://" + c.id,
			"ready": up, "started": up, "restartCount": 0, "state": state,
		}
	}
	running := map[string]any{"running": map[string]any{"startedAt": stamp(c.running)}}
	var inits, all []map[string]any
	for _, of := range p.Spec.InitContainers {
		if of.RestartPolicy == "Always" && !over {
			inits = append(inits, status(of, running, true))
			continue
		}
		s := status(of, ended(0), false)
		s["ready"] = true
		inits = append(inits, s)
	}
	for _, of := range p.Spec.Containers {
		if over {
			all = append(all, status(of, ended(c.code), false))
		} else {
			all = append(all, status(of, running, true))
		}
	}
	phase := "Running"
	if over {
		phase = map[bool]string{true: "Succeeded", false: "Failed"}[c.code == 0]
	}
	var conditions []map[string]any
	for _, kind := range []string{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"} {
		yes := "True"
		if over && kind != "Initialized" {
			yes = "False"
		}
		conditions = append(conditions, map[string]any{"type": kind, "status": yes, "lastTransitionTime": stamp(at)})
	}
	doc, err := json.Marshal(map[string]any{"status": map[string]any{
		"phase": phase, "startTime": stamp(c.running), "conditions": conditions, "initContainerStatuses": inits, "containerStatuses": all,
	}})
	if err != nil {
		return err.Error()
	}
	return string(doc)
}
