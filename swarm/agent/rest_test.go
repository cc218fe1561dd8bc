package agent_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	corev1 "k8s.io/api/core/v1"

	"skep/swarm/agent"
	"skep/translate/manifest"
)

func TestStats(t *testing.T) {
	s := newStage(t)
	busy := s.run(t, func(c *container.Config, _ *container.HostConfig) {
		c.Labels = map[string]string{
			manifest.LabelPodNamespace: "shop", manifest.LabelPodName: "web-1", manifest.LabelContainer: "web",
			manifest.LabelTask: "t1", manifest.LabelSandbox: "s1",
		}
	}, "sh", "-c", "while :; do :; done")
	idle := s.idle(t)
	code, text := s.do(t, "GET", "/stats", "")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	var stats agent.Stats
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatal(err)
	}
	found := map[string]agent.ContainerUsage{}
	for _, c := range stats.Containers {
		found[c.ID] = c
	}
	b, i := found[busy], found[idle]
	if b.Namespace != "shop" || b.Pod != "web-1" || b.Container != "web" || b.Task != "t1" || b.Sandbox != "s1" {
		t.Errorf("the busy container's names: %+v", b)
	}
	if b.CPU == 0 || b.CPU <= i.CPU || b.Window < 0 || b.Timestamp.IsZero() {
		t.Errorf("busy %+v, idle %+v", b.Usage, i.Usage)
	}
	if i.Memory == 0 || i.Memory > 1<<30 {
		t.Errorf("a sleeping container's memory: %d", i.Memory)
	}
	n := stats.Node
	if n.Cores == 0 || n.CapacityBytes == 0 || n.Memory == 0 || n.Memory > n.CapacityBytes || n.CPU == 0 {
		t.Errorf("the node: %+v", n)
	}
	if _, again := s.do(t, "GET", "/stats", ""); !strings.Contains(again, busy) {
		t.Errorf("the second time: %s", again)
	}
}

func TestVolumes(t *testing.T) {
	s := newStage(t)
	const name = "skep-agent-test"
	t.Cleanup(func() { _ = s.docker.VolumeRemove(context.WithoutCancel(t.Context()), name, true) })
	code, text := s.do(t, "POST", "/volumes", `{"Name": "`+name+`", "Driver": "local", "Labels": {"made": "here"}}`)
	var made volume.Volume
	if err := json.Unmarshal([]byte(text), &made); err != nil || code != http.StatusOK || made.Name != name || made.Labels["made"] != "here" {
		t.Fatalf("%d %s (%v)", code, text, err)
	}
	id := s.run(t, func(_ *container.Config, h *container.HostConfig) { h.Binds = []string{name + ":/data"} }, "sleep", "100000")
	var list []volume.Volume
	if _, text := s.do(t, "GET", "/volumes", ""); json.Unmarshal([]byte(text), &list) != nil || !strings.Contains(text, name) {
		t.Errorf("list: %s", text)
	}
	if code, text := s.do(t, "DELETE", "/volumes/"+name, ""); code != http.StatusConflict {
		t.Errorf("in use: %d %s", code, text)
	}
	if err := s.docker.ContainerRemove(t.Context(), id, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if code, text := s.do(t, "DELETE", "/volumes/"+name, ""); code != http.StatusOK {
		t.Errorf("remove: %d %s", code, text)
	}
	if code, text := s.do(t, "DELETE", "/volumes/"+name, ""); code != http.StatusNotFound {
		t.Errorf("remove again: %d %s", code, text)
	}
	if code, text := s.do(t, "POST", "/volumes", `{"Name": `); code != http.StatusBadRequest {
		t.Errorf("half a body: %d %s", code, text)
	}
}

func TestHealth(t *testing.T) {
	s := newStage(t)
	if code, text := s.do(t, "GET", "/healthz", ""); code != http.StatusOK || text != "ok" {
		t.Errorf("%d %s", code, text)
	}
}

// sandbox is a container that takes updates, by a script.
func (s *stage) sandbox(t *testing.T, script string) string {
	t.Helper()
	id := s.run(t, func(c *container.Config, _ *container.HostConfig) {
		c.Labels = map[string]string{manifest.LabelRole: manifest.RoleSandbox}
	}, "sleep", "100000")
	files := archive(t, map[string][]byte{"skep-pod": []byte("#!/bin/sh\n" + script)})
	if err := s.docker.CopyToContainer(t.Context(), id, "/", files, container.CopyToContainerOptions{}); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestUpdate(t *testing.T) {
	s := newStage(t)
	id := s.sandbox(t, `[ "$1" = take ] && cat >/taken`)
	body, err := json.Marshal(manifest.Update{ConfigMaps: map[string]*corev1.ConfigMap{"big": {Data: map[string]string{"k": strings.Repeat("x", 900000)}}}})
	if err != nil {
		t.Fatal(err)
	}
	if code, text := s.do(t, "POST", "/update/default/pod/"+id, string(body)); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	if got := s.output(t, id, "cat", "/taken"); got != string(body) {
		t.Errorf("%d bytes were taken of %d, or others", len(got), len(body))
	}
	id = s.sandbox(t, "echo no such volume >&2; exit 1")
	if code, text := s.do(t, "POST", "/update/default/pod/"+id, "{}"); code != http.StatusInternalServerError || !strings.Contains(text, "no such volume") {
		t.Errorf("a refusal: %d %s", code, text)
	}
	if code, text := s.do(t, "POST", "/update/default/pod/"+s.idle(t), "{}"); code != http.StatusConflict {
		t.Errorf("a plain container: %d %s", code, text)
	}
}
