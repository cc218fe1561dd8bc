package spec

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// The test on a real Engine runs this package where it belongs, in a sandbox's container: the test's own program is copied
// there, and does as TestMain says when it finds a task.

const envTask = "SKEP_SPEC_TASK"

// order is what the program in the sandbox is to do: set up the Pod, make its containers, and update it when goFile is there.
type order struct {
	Facts  Facts
	Before Sources
	After  Sources
}

const (
	orderFile = "/order.json"
	goFile    = "/go"
)

// made is what it answers, one line for each container, and one at last with the first container's termination message.
type made struct {
	Config  *container.Config
	Host    *container.HostConfig
	Message string
	Error   string
}

func TestMain(m *testing.M) {
	if os.Getenv(envTask) == "" {
		os.Exit(m.Run())
	}
	if err := inSandbox(json.NewEncoder(os.Stdout)); err != nil {
		_ = json.NewEncoder(os.Stdout).Encode(made{Error: err.Error()})
	}
}

func inSandbox(out *json.Encoder) error {
	data, err := os.ReadFile(orderFile)
	if err != nil {
		return err
	}
	var o order
	if err := json.Unmarshal(data, &o); err != nil {
		return err
	}
	pod := New(o.Facts, o.Before)
	if err := pod.Setup(); err != nil {
		return err
	}
	list := o.Facts.Pod.Spec.Containers
	for i := range list {
		config, host, err := pod.Container(&list[i], ImageConfig{}, 0)
		if err != nil {
			return err
		}
		if err := out.Encode(made{Config: config, Host: host}); err != nil {
			return err
		}
	}
	for {
		if _, err := os.Stat(goFile); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := pod.Update(o.Facts.Pod.Labels, nil, o.After); err != nil {
		return err
	}
	for {
		text, err := pod.TerminationMessage(&list[0], 0)
		if err != nil {
			return err
		}
		if text != "" {
			return out.Encode(made{Message: text})
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// engine is the Engine of the test.
type engine struct {
	*client.Client
	t   *testing.T
	ctx context.Context
}

func dial(t *testing.T) engine {
	t.Helper()
	host := os.Getenv("SKEP_TEST_DOCKER_HOST")
	if host == "" {
		t.Skip("SKEP_TEST_DOCKER_HOST names no Docker Engine to make containers on; make test gives one")
	}
	c, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return engine{c, t, ctx}
}

// run creates and starts a container, to be removed with its volumes at the end.
func (e engine) run(config *container.Config, host *container.HostConfig) container.InspectResponse {
	e.t.Helper()
	c, err := e.ContainerCreate(e.ctx, config, host, nil, nil, "")
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		err := e.ContainerRemove(context.WithoutCancel(e.ctx), c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil {
			e.t.Error(err)
		}
	})
	if err := e.ContainerStart(e.ctx, c.ID, container.StartOptions{}); err != nil {
		e.t.Fatal(err)
	}
	state, err := e.ContainerInspect(e.ctx, c.ID)
	if err != nil {
		e.t.Fatal(err)
	}
	return state
}

// copy puts files into a container's root directory.
func (e engine) copy(id string, files map[string][]byte) {
	e.t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: strings.Trim(name, "/"), Size: int64(len(data)), Mode: 0o755}); err != nil {
			e.t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			e.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		e.t.Fatal(err)
	}
	if err := e.CopyToContainer(e.ctx, id, "/", &archive, container.CopyToContainerOptions{}); err != nil {
		e.t.Fatal(err)
	}
}

// exec starts the program in the sandbox, and returns the decoder of its answers.
func (e engine) exec(id string) *json.Decoder {
	e.t.Helper()
	x, err := e.ContainerExecCreate(e.ctx, id, container.ExecOptions{
		Cmd: []string{"/spec.test"}, Env: []string{envTask + "=1"}, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		e.t.Fatal(err)
	}
	stream, err := e.ContainerExecAttach(e.ctx, x.ID, container.ExecAttachOptions{})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(stream.Close)
	out, in := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(in, in, stream.Reader)
		in.CloseWithError(err)
	}()
	return json.NewDecoder(out)
}

func (e engine) next(d *json.Decoder) made {
	e.t.Helper()
	var m made
	if err := d.Decode(&m); err != nil {
		rest, _ := io.ReadAll(d.Buffered())
		e.t.Fatalf("%v: %s", err, rest)
	}
	if m.Error != "" {
		e.t.Fatal(m.Error)
	}
	return m
}

// output waits for a container's end, and returns what it printed.
func (e engine) output(id string) string {
	e.t.Helper()
	ended, failed := e.ContainerWait(e.ctx, id, container.WaitConditionNotRunning)
	select {
	case err := <-failed:
		e.t.Fatal(err)
	case <-ended:
	}
	logs, err := e.ContainerLogs(e.ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	var text strings.Builder
	if _, err := stdcopy.StdCopy(&text, &text, logs); err != nil {
		e.t.Fatal(err)
	}
	return text.String()
}

// program is this package's test, linked so that it runs in any image.
func program(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spec.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sandbox starts a container as a task's would be for the Pod, and returns its ID and where its mounts are on the node.
func (e engine) sandbox(pod *corev1.Pod) (id string, host map[string]string) {
	e.t.Helper()
	mounts := []mount.Mount{
		{Type: mount.TypeVolume, Target: manifest.RunDir},
		{Type: mount.TypeBind, Source: "/", Target: manifest.HostDir},
	}
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		m := mount.Mount{Type: mount.TypeVolume, Target: manifest.VolumeDir + "/" + v.Name}
		if projected(v) || v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory {
			m.VolumeOptions = &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: "local", Options: map[string]string{"type": "tmpfs", "device": "tmpfs"}}}
		}
		if v.HostPath == nil {
			mounts = append(mounts, m)
		}
	}
	state := e.run(&container.Config{Image: "busybox:latest", Cmd: []string{"sleep", "3600"}, Hostname: "web"}, &container.HostConfig{Mounts: mounts})
	host = map[string]string{}
	for _, m := range state.Mounts {
		host[m.Destination] = m.Source
	}
	return state.ID, host
}

const enginePod = `
metadata: {name: web, namespace: shop, uid: 11-22, labels: {app: web}}
status: {podIP: 10.0.0.5}
spec:
  nodeName: worker-1
  securityContext: {runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [4000], runAsNonRoot: true}
  shareProcessNamespace: true
  volumes:
  - {name: config, configMap: {name: settings}}
  - {name: keys, secret: {secretName: keys, defaultMode: 0400}}
  - {name: scratch, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory}}
  - {name: host, hostPath: {path: %s/made, type: DirectoryOrCreate}}
  containers:
  - name: web
    image: busybox:latest
    terminationMessagePath: /dev/termination-log
    env:
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    command: [sh, -c]
    args:
    - |
      exec 2>&1
      echo $(COLOUR) $IP $MEMORY $(hostname)
      echo $(id -u) $(id -g) $(id -G | tr ' ' '\n' | sort -n)
      grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status
      stat -L -c '%%n %%A %%u:%%g' /scratch /memory /keys/user /config/colour /sub
      touch /etc/x /config/x /scratch/x /sub/x /host/x
      stat -c '%%n %%u:%%g' /scratch/x /sub/x
      echo $(cat /keys/user) $(cat /config/colour) $(cat /colour)
      ps | grep -c 'sleep 360[0]'
      wget -q -O - http://localhost:8080/page
      until grep -q red /config/colour; do sleep 0.1; done
      echo $(cat /config/colour) $(cat /colour)
      echo done > /dev/termination-log
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
    resources: {limits: {cpu: 500m, memory: 64Mi}, requests: {cpu: 250m}}
    volumeMounts:
    - {name: config, mountPath: /config}
    - {name: config, mountPath: /colour, subPath: colour}
    - {name: keys, mountPath: /keys}
    - {name: scratch, mountPath: /scratch}
    - {name: scratch, mountPath: /sub, subPathExpr: "of/$(COLOUR)"}
    - {name: memory, mountPath: /memory}
    - {name: host, mountPath: /host, readOnly: true}
  - name: server
    image: busybox:latest
    command: [sh, -c, "grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; cd /scratch; echo hello > page; exec httpd -f -p 8080"]
    securityContext: {runAsUser: 0, runAsNonRoot: false, capabilities: {add: [NET_ADMIN]}}
    volumeMounts: [{name: scratch, mountPath: /scratch}]
`

const engineOutput = `blue 10.0.0.5 64 web
1000 3000 2000 3000 4000
CapEff:	0000000000000000
CapBnd:	0000000000000400
NoNewPrivs:	1
/scratch drwxrwsrwx 0:2000
/memory drwxrwsrwx 0:2000
/keys/user -r--r----- 0:2000
/config/colour -rw-r--r-- 0:2000
/sub drwxrwsrwx 0:2000
touch: /etc/x: Read-only file system
touch: /config/x: Read-only file system
touch: /host/x: Read-only file system
/scratch/x 1000:2000
/sub/x 1000:2000
anna blue blue
1
hello
red blue
`

// What a Pod's containers see on a real Engine is what a kubelet would have them see.
func TestOnEngine(t *testing.T) {
	e := dial(t)
	pod := parse[corev1.Pod](t, fmt.Sprintf(enginePod, t.TempDir()))
	id, host := e.sandbox(&pod)
	o := order{Before: sources(t, twoSources), After: sources(t, twoSources)}
	o.Facts = Facts{Pod: &pod, Sandbox: id, Host: host, Node: parse[corev1.ResourceList](t, `{cpu: "2", memory: 4Gi}`)}
	o.After.ConfigMaps["settings"] = sources(t, `configMaps: {settings: {data: {colour: red}}}`).ConfigMaps["settings"]
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	e.copy(id, map[string][]byte{"/spec.test": program(t), orderFile: data})
	answers := e.exec(id)
	first, second := e.next(answers), e.next(answers)

	server := e.run(second.Config, second.Host)
	e.serves(id)
	web := e.run(first.Config, first.Host)
	e.copy(id, map[string][]byte{goFile: nil})
	if message := e.next(answers).Message; message != "done\n" {
		t.Errorf("termination message %q", message)
	}
	if got := e.output(web.ID); got != engineOutput {
		t.Errorf("got:\n%s\nwant:\n%s", got, engineOutput)
	}
	want := `{"CpuPeriod":100000,"CpuQuota":50000,"CpuShares":256,"Memory":67108864,"NetworkMode":"container:` + id + `","PidMode":"container:` + id + `"}`
	if got := asJSON(t, web.HostConfig, "CpuPeriod", "CpuQuota", "CpuShares", "Memory", "NetworkMode", "PidMode"); got != want {
		t.Errorf("docker inspect\ngot  %s\nwant %s", got, want)
	}
	if err := e.ContainerKill(e.ctx, server.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	// Docker's default capabilities and NET_ADMIN.
	if got, want := e.output(server.ID), "CapEff:\t00000000a80435fb\nNoNewPrivs:\t0\n"; got != want {
		t.Errorf("server printed %q, want %q", got, want)
	}
}

// serves waits until the Pod's server answers on its localhost.
func (e engine) serves(sandbox string) {
	e.t.Helper()
	for e.ctx.Err() == nil {
		x, err := e.ContainerExecCreate(e.ctx, sandbox, container.ExecOptions{Cmd: []string{"wget", "-q", "-O", "/dev/null", "http://localhost:8080/page"}})
		if err != nil {
			e.t.Fatal(err)
		}
		if err := e.ContainerExecStart(e.ctx, x.ID, container.ExecStartOptions{Detach: true}); err != nil {
			e.t.Fatal(err)
		}
		state, err := e.ContainerExecInspect(e.ctx, x.ID)
		for err == nil && state.Running {
			time.Sleep(20 * time.Millisecond)
			state, err = e.ContainerExecInspect(e.ctx, x.ID)
		}
		if err == nil && state.ExitCode == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	e.t.Fatal("the server never answered")
}
