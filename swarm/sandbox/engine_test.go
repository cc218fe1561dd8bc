package sandbox

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"skep/translate/manifest"
)

// rig is a real Engine with the sandbox's program in an image of nothing else.
type rig struct {
	t      *testing.T
	client *client.Client
	image  string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	host := os.Getenv("SKEP_TEST_DOCKER_HOST")
	if host == "" {
		t.Skip("this needs a Docker Engine at its node's /var/run/docker.sock, with the image busybox: name it in SKEP_TEST_DOCKER_HOST")
	}
	c, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	must(t, err)
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // the test is over
	s := &rig{t: t, client: c, image: "skep-sandbox-test:" + strings.ToLower(t.Name())}
	program := filepath.Join(t.TempDir(), "skep-pod")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w", "-o", program, "./skep-pod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(program)
	must(t, err)
	done, err := c.ImageImport(t.Context(), image.ImportSource{Source: archive(t, map[string][]byte{"skep-pod": data}), SourceName: "-"},
		s.image, image.ImportOptions{})
	must(t, err)
	_, err = io.Copy(io.Discard, done)
	must(t, err)
	t.Cleanup(func() {
		_, err := c.ImageRemove(context.WithoutCancel(t.Context()), s.image, image.RemoveOptions{Force: true})
		if err != nil {
			t.Logf("the image is left: %v", err)
		}
	})
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func archive(t *testing.T, files map[string][]byte) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name]))}))
		_, err := w.Write(files[name])
		must(t, err)
	}
	must(t, w.Close())
	return &b
}

// sandboxed is a Pod under a sandbox on the rig's Engine.
type sandboxed struct {
	*rig
	id string
}

// run starts the Pod as Swarm would do it: with the things that package manifest tells of. Its volumes are emptyDirs.
func (s *rig) run(name string, pod corev1.PodSpec) sandboxed {
	s.t.Helper()
	ctx := s.t.Context()
	task := fmt.Sprintf("%s-%d", strings.ToLower(s.t.Name()+name), time.Now().UnixNano())
	mounts := []mount.Mount{
		{Type: mount.TypeBind, Source: manifest.EngineSocket, Target: manifest.EngineSocket},
		{Type: mount.TypeVolume, Target: manifest.RunDir},
	}
	for _, v := range pod.Volumes {
		mounts = append(mounts, mount.Mount{Type: mount.TypeVolume, Target: manifest.VolumeDir + "/" + v.Name})
	}
	made, err := s.client.ContainerCreate(ctx, &container.Config{
		Image: s.image, Cmd: []string{manifest.Command},
		Env:    []string{manifest.EnvPod + "=" + name, manifest.EnvTask + "=" + task, manifest.EnvNode + "=node"},
		Labels: map[string]string{manifest.LabelTask: task, manifest.LabelRole: manifest.RoleSandbox},
	}, &container.HostConfig{Mounts: mounts}, nil, nil, "")
	must(s.t, err)
	p := sandboxed{s, made.ID}
	s.t.Cleanup(func() {
		// The sandbox first: it would start again what is taken from it.
		remove := func(id string) {
			_ = s.client.ContainerRemove(context.WithoutCancel(s.t.Context()), id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		}
		remove(p.id)
		for _, id := range p.siblings() {
			remove(id)
		}
	})
	file, err := json.Marshal(corev1.Pod{ObjectMeta: podOf("").ObjectMeta, Spec: pod})
	must(s.t, err)
	must(s.t, s.client.CopyToContainer(ctx, p.id, "/", archive(s.t, map[string][]byte{manifest.PodFile[1:]: file}),
		container.CopyToContainerOptions{}))
	must(s.t, s.client.ContainerStart(ctx, p.id, container.StartOptions{}))
	return p
}

// siblings are all containers of the Pod but the sandbox's.
func (p sandboxed) siblings() []string {
	ids, err := docker{p.client}.Siblings(context.WithoutCancel(p.t.Context()), p.id)
	if err != nil {
		p.t.Error(err)
	}
	return ids
}

func (p sandboxed) reports() []manifest.Report {
	p.t.Helper()
	log, err := p.client.ContainerLogs(p.t.Context(), p.id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	must(p.t, err)
	defer log.Close() //nolint:errcheck // it was only read
	var out, diagnostics bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &diagnostics, log)
	must(p.t, err)
	var all []manifest.Report
	for line := range strings.Lines(out.String()) {
		var r manifest.Report
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.t.Fatalf("not a report: %q (%v); diagnostics: %s", line, err, diagnostics.String())
		}
		all = append(all, r)
	}
	return all
}

// until waits for a status that is as wanted, and returns it.
func (p sandboxed) until(what string, is func(corev1.PodStatus) bool) corev1.PodStatus {
	p.t.Helper()
	var all []manifest.Report
	for begin := time.Now(); time.Since(begin) < 2*time.Minute; time.Sleep(50 * time.Millisecond) {
		all = p.reports()
		if n := len(all); n > 0 && is(all[n-1].Status) {
			return all[n-1].Status
		}
	}
	last, _ := json.MarshalIndent(all[max(0, len(all)-1):], "", " ")
	p.t.Fatalf("not seen: %s; the last report: %s", what, last)
	return corev1.PodStatus{}
}

func statusOf(st corev1.PodStatus, name string) corev1.ContainerStatus {
	for _, c := range slices.Concat(st.InitContainerStatuses, st.ContainerStatuses) {
		if c.Name == name {
			return c
		}
	}
	return corev1.ContainerStatus{}
}

func (p sandboxed) exitCode() int {
	p.t.Helper()
	var code int
	eventually(p.t, "the sandbox ends", func() bool {
		c, err := p.client.ContainerInspect(p.t.Context(), p.id)
		must(p.t, err)
		code = c.State.ExitCode
		return !c.State.Running
	})
	return code
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 2*time.Minute; time.Sleep(50 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("not seen: %s", what)
}

// shell is a container that runs a script of busybox, with the volume "shared".
func shell(name, script string) corev1.Container {
	return corev1.Container{
		Name: name, Image: "busybox:latest", ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"sh", "-c", script},
		TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		VolumeMounts: []corev1.VolumeMount{{Name: "shared", MountPath: "/shared"}},
	}
}

func shells(policy corev1.RestartPolicy, containers ...corev1.Container) corev1.PodSpec {
	grace := int64(20)
	return corev1.PodSpec{
		RestartPolicy: policy, TerminationGracePeriodSeconds: &grace, Containers: containers,
		Volumes: []corev1.Volume{{Name: "shared", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
	}
}

func TestOnEngineContainersShareLocalhostAfterTheirInitContainers(t *testing.T) {
	s := newRig(t)
	web := shell("web", "trap 'exit 0' TERM; httpd -p 8080 -h /shared; while true; do sleep 0.1; done")
	web.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
		Path: "/index.html", Port: intstr.FromInt32(8080), Scheme: corev1.URISchemeHTTP,
	}}, PeriodSeconds: 1, TimeoutSeconds: 5, SuccessThreshold: 1, FailureThreshold: 3}
	always := corev1.ContainerRestartPolicyAlways
	web.RestartPolicy = &always
	pod := shells(corev1.RestartPolicyNever,
		shell("client", "until wget -qO /dev/termination-log http://localhost:8080/index.html; do sleep 0.1; done"))
	pod.InitContainers = []corev1.Container{
		shell("one", "sleep 1; echo one > /shared/index.html"), shell("two", "echo two >> /shared/index.html"), web,
	}
	p := s.run("web", pod)
	st := p.until("success", func(st corev1.PodStatus) bool { return st.Phase == corev1.PodSucceeded })
	equal(t, "what the client got", statusOf(st, "client").State.Terminated.Message, "one\ntwo\n")
	equal(t, "exit code", p.exitCode(), 0)
	equal(t, "containers left for their logs", len(p.siblings()), 4)
	must(t, Reap(t.Context(), s.client))
	equal(t, "containers left while the sandbox's is", len(p.siblings()), 4)
	must(t, s.client.ContainerRemove(t.Context(), p.id, container.RemoveOptions{RemoveVolumes: true}))
	must(t, Reap(t.Context(), s.client))
	equal(t, "containers left after it", len(p.siblings()), 0)
}

func TestOnEngineContainersAreRestarted(t *testing.T) {
	s := newRig(t)
	alive := shell("alive", "touch /tmp/alive; sleep 1; rm /tmp/alive; sleep 1000")
	grace := int64(1)
	alive.LivenessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"test", "-f", "/tmp/alive"}}},
		PeriodSeconds: 1, TimeoutSeconds: 10, SuccessThreshold: 1, FailureThreshold: 2, TerminationGracePeriodSeconds: &grace,
	}
	p := s.run("crash", shells(corev1.RestartPolicyAlways, shell("crash", "echo why > /dev/termination-log; exit 3"), alive))
	st := p.until("a back-off", func(st corev1.PodStatus) bool {
		w := statusOf(st, "crash").State.Waiting
		return w != nil && w.Reason == "CrashLoopBackOff" && statusOf(st, "alive").RestartCount > 0
	})
	last := statusOf(st, "crash").LastTerminationState.Terminated
	equal(t, "how it ended", fmt.Sprint(last.ExitCode, last.Reason, " ", last.Message), "3Error why\n")
	equal(t, "how the other one ended", statusOf(st, "alive").LastTerminationState.Terminated.ExitCode, 137)
	equal(t, "phase", st.Phase, corev1.PodRunning)
	var killed []string
	for _, r := range p.reports() {
		for _, e := range r.Events {
			if e.Reason == "Killing" {
				killed = append(killed, e.FieldPath+": "+e.Message)
			}
		}
	}
	equal(t, "event", killed[0], "spec.containers{alive}: Container alive failed liveness probe, will be restarted")
}

func TestOnEngineStopRunsHooksAndLeavesNothing(t *testing.T) {
	s := newRig(t)
	hooked := shell("hooked", "trap 'exit 0' TERM; while true; do sleep 0.1; done")
	hooked.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
		Exec: &corev1.ExecAction{Command: []string{"touch", "/shared/stopping"}},
	}}
	other := shell("other", "trap 'until [ -f /shared/stopping ]; do sleep 0.1; done; exit 7' TERM; while true; do sleep 0.1; done")
	p := s.run("hooks", shells(corev1.RestartPolicyAlways, hooked, other))
	p.until("readiness", func(st corev1.PodStatus) bool { return holds(st, corev1.PodReady) })
	must(t, s.client.ContainerKill(t.Context(), p.id, "TERM"))
	p.exitCode()
	st := p.until("the end", func(st corev1.PodStatus) bool { return st.Phase == corev1.PodFailed })
	equal(t, "the other container, which waited for the hook", statusOf(st, "other").State.Terminated.ExitCode, 7)
	equal(t, "containers left", len(p.siblings()), 0)
}

func TestOnEngineReapAfterTheSandboxWasKilled(t *testing.T) {
	s := newRig(t)
	forever := "while true; do sleep 1; done"
	killed := s.run("killed", shells(corev1.RestartPolicyAlways, shell("a", forever), shell("b", forever)))
	lives := s.run("lives", shells(corev1.RestartPolicyAlways, shell("a", forever)))
	isReady := func(st corev1.PodStatus) bool { return holds(st, corev1.PodReady) }
	killed.until("readiness", isReady)
	lives.until("readiness", isReady)
	must(t, s.client.ContainerKill(t.Context(), killed.id, "KILL"))
	killed.exitCode()
	equal(t, "orphans", len(killed.siblings()), 2)
	must(t, Reap(t.Context(), s.client))
	equal(t, "orphans after Reap", len(killed.siblings()), 0)
	running, err := s.client.ContainerList(t.Context(), container.ListOptions{
		Filters: filters.NewArgs(filters.Arg("label", manifest.LabelSandbox+"="+lives.id)),
	})
	must(t, err)
	equal(t, "containers of the sandbox that runs", len(running), 1)
}
