package agent_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	corev1 "k8s.io/api/core/v1"

	"skep/swarm/agent"
	"skep/translate/manifest"
)

// debug asks for an ephemeral container beside another.
func (s *stage) debug(t *testing.T, beside string, c corev1.EphemeralContainer) (int, string) {
	t.Helper()
	t.Cleanup(func() {
		for _, id := range s.beside(t, beside) {
			s.remove(t, id)
		}
	})
	body, err := json.Marshal(agent.Ephemeral{Container: c, Pod: agent.PodName{Name: "web", Namespace: "shop", UID: "u-1"}})
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, "PUT", "/ephemeral/shop/web/"+beside, string(body))
}

// beside are the containers that a reaper would take along with one.
func (s *stage) beside(t *testing.T, id string) (ids []string) {
	t.Helper()
	list, err := s.docker.ContainerList(context.WithoutCancel(t.Context()), container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", manifest.LabelSandbox+"="+id), filters.Arg("label", manifest.LabelPodUID+"=u-1"),
	)})
	if err != nil {
		t.Error(err)
	}
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	return ids
}

// statuses are those of the ephemeral containers beside a container, by name.
func (s *stage) statuses(t *testing.T, beside string) map[string]corev1.ContainerState {
	t.Helper()
	code, text := s.do(t, "GET", "/ephemeral/shop/web/"+beside, "")
	var list []corev1.ContainerStatus
	if err := json.Unmarshal([]byte(text), &list); err != nil || code != http.StatusOK {
		t.Fatalf("%d %s (%v)", code, text, err)
	}
	out := map[string]corev1.ContainerState{}
	for i := range list {
		out[list[i].Name] = list[i].State
	}
	return out
}

func ephemeral(name, image, target string, policy corev1.PullPolicy, command ...string) corev1.EphemeralContainer {
	return corev1.EphemeralContainer{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: name, Image: image, Command: command, ImagePullPolicy: policy},
		TargetContainerName:      target,
	}
}

func TestEphemeral(t *testing.T) {
	s := newStage(t)
	id := s.serving(t, "hello", "")
	want := ephemeral("debugger", "busybox:latest", "web", corev1.PullIfNotPresent, "sh", "-c",
		"echo | nc 127.0.0.1 7009; echo; grep -l testserver /proc/[0-9]*/cmdline >/dev/null && echo sees it; sleep 100000")
	for range 2 {
		if code, text := s.debug(t, id, want); code != http.StatusOK {
			t.Fatalf("%d %s", code, text)
		}
	}
	made := s.beside(t, id)
	if len(made) != 1 {
		t.Fatalf("%d containers of one that was asked for twice", len(made))
	}
	if state := s.statuses(t, id)["debugger"]; state.Running == nil || state.Running.StartedAt.IsZero() {
		t.Errorf("state: %+v", state)
	}
	eventually(t, "it sees the other's port and processes", func() bool {
		log := s.log(t, made[0])
		return strings.Contains(log, "hello") && strings.Contains(log, "sees it")
	})
}

func TestEphemeralEnds(t *testing.T) {
	s := newStage(t)
	id := s.idle(t)
	if code, text := s.debug(t, id, ephemeral("alone", "busybox:latest", "", corev1.PullIfNotPresent, "sh", "-c", "[ $$$$ = 1 ] && exit 5")); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	eventually(t, "it ends with its code, the first process of its own", func() bool {
		end := s.statuses(t, id)["alone"].Terminated
		return end != nil && end.ExitCode == 5 && end.Reason == "Error"
	})
	if code, text := s.debug(t, id, ephemeral("broken", "busybox:latest", "", corev1.PullIfNotPresent, "no-such-command")); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	if end := s.statuses(t, id)["broken"].Terminated; end == nil || end.Reason != "StartError" || !strings.Contains(end.Message, "no-such-command") {
		t.Errorf("one that cannot start: %+v", end)
	}
}

func TestEphemeralPull(t *testing.T) {
	s := newStage(t)
	id := s.idle(t)
	if code, text := s.debug(t, id, ephemeral("nowhere", "registry.invalid/none:v1", "", corev1.PullIfNotPresent, "true")); code != http.StatusAccepted {
		t.Fatalf("%d %s", code, text)
	}
	eventually(t, "the pull has failed", func() bool {
		w := s.statuses(t, id)["nowhere"].Waiting
		return w != nil && w.Reason == "ErrImagePull" && w.Message != ""
	})
	// No registry answers here, but the image is there.
	if code, text := s.debug(t, id, ephemeral("here", "busybox:latest", "", corev1.PullAlways, "sleep", "100000")); code != http.StatusAccepted {
		t.Fatalf("%d %s", code, text)
	}
	eventually(t, "the image that is there is used", func() bool { return s.statuses(t, id)["here"].Running != nil })
}
