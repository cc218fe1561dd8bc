package sandbox

import (
	"context"
	"io"
	"log"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

func TestControlSocket(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a")
	pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "outside"}}
	e := newFakeEngine()
	delete(e.images, "app:latest")
	pod.Spec.Containers[0].ImagePullPolicy = corev1.PullNever
	m := &fakeMaker{engine: e}
	s := New(Config{Pod: pod, Sandbox: "sandbox", Engine: e, Maker: m, Reports: io.Discard, Log: log.New(io.Discard, "", 0)})
	socket := filepath.Join(t.TempDir(), "run", "control.sock")
	must(t, s.Serve(socket))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- s.Run(ctx) }()

	if err := Ask(socket, "ready", nil); err == nil || err.Error() != "the pod has not been ready yet" {
		t.Errorf("before it is ready: %v", err)
	}
	if err := Ask(socket, "take", strings.NewReader("{")); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("half an update: %v", err)
	}
	must(t, Ask(socket, "take", strings.NewReader(`{"secrets":{"s":{"data":{"k":"dg=="}}}}`)))
	m.mu.Lock()
	equal(t, "secret", string(m.took[0].Secrets["s"].Data["k"]), "v")
	m.mu.Unlock()
	e.mu.Lock()
	e.images["app:latest"] = true // someone loads the image
	e.mu.Unlock()
	s.post(func() { s.units[0].retry = s.startTime.Time })
	// Its readiness gate is closed, and yet it has been ready as far as its sandbox sees it.
	eventually(t, "it is ready", func() bool { return Ask(socket, "ready", nil) == nil })
	cancel()
	equal(t, "exit code", <-done, 143)
	if err := Ask(socket, "ready", nil); err == nil {
		t.Error("it answers when it is over")
	}
}

func TestPodIP(t *testing.T) {
	nets := map[string]*network.EndpointSettings{
		"ingress": {IPAddress: "10.0.0.3"}, "shop_default": {IPAddress: "10.0.1.4"}, "skep": {IPAddress: "10.0.2.5", GlobalIPv6Address: "fd00::5"},
		"away": {},
	}
	for _, c := range []struct {
		wanted string
		mode   container.NetworkMode
		want   []string
	}{
		{"", "", []string{"10.0.1.4"}},
		{"skep", "", []string{"10.0.2.5", "fd00::5"}},
		{"", "host", []string{"192.0.2.1"}},
	} {
		t.Setenv(manifest.EnvNetwork, c.wanted)
		pod := podOf(corev1.RestartPolicyAlways)
		address(pod, container.InspectResponse{
			ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{NetworkMode: c.mode}},
			NetworkSettings:   &container.NetworkSettings{Networks: nets},
		}, "192.0.2.1")
		var ips []string
		for _, ip := range pod.Status.PodIPs {
			ips = append(ips, ip.IP)
		}
		equalAll(t, "addresses", ips, c.want...)
		equal(t, "node", pod.Status.HostIP, "192.0.2.1")
	}
}
