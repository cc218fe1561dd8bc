package spec

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/mount"
)

// lines are mounts in short: source -> target, and what is said of it.
func lines(mounts []mount.Mount) []string {
	var list []string
	for _, m := range mounts {
		line := string(m.Type) + " " + m.Source + " -> " + m.Target
		if m.ReadOnly {
			line += " ro"
		}
		if o := m.BindOptions; o != nil {
			line += " " + string(o.Propagation)
			if !o.ReadOnlyNonRecursive {
				line += " recursive"
			}
		}
		list = append(list, strings.TrimSpace(line))
	}
	return list
}

func TestMounts(t *testing.T) {
	s := stage(t, `
containers:
- name: web
  terminationMessagePath: /dev/termination-log
  env: [{name: WHO, value: me}]
  volumeMounts:
  - {name: scratch, mountPath: /a}
  - {name: scratch, mountPath: b, readOnly: true}
  - {name: scratch, mountPath: /c, subPath: new/dir}
  - {name: scratch, mountPath: /d, subPathExpr: "$(WHO)/logs"}
  - {name: scratch, mountPath: /e, mountPropagation: HostToContainer}
  - {name: scratch, mountPath: /f, mountPropagation: Bidirectional}
  - {name: scratch, mountPath: /g, mountPropagation: None, readOnly: true, recursiveReadOnly: IfPossible}
  - {name: config, mountPath: /h}
  - {name: claim, mountPath: /i}
  - {name: host, mountPath: /j}
  - {name: host, mountPath: /k, subPath: sub}
  - {name: scratch, mountPath: /l, subPath: in}
volumes:
- {name: scratch, emptyDir: {}}
- {name: config, configMap: {name: settings}}
- {name: claim, persistentVolumeClaim: {claimName: c, readOnly: true}}
- {name: host, hostPath: {path: /srv/link}}`)
	mkdir(t, s.in("scratch", "real"))
	s.symlink("real", "pod/volumes/scratch/in")
	s.set("pod/host/srv/data/x", "")
	s.symlink("/srv/data", "pod/host/srv/link")
	s.setup()
	_, host := s.first()
	equal(t, "mounts", lines(host.Mounts), []string{
		"bind /node/scratch -> /a",
		"bind /node/scratch -> /b ro",
		"bind /node/scratch/new/dir -> /c",
		"bind /node/scratch/me/logs -> /d",
		"bind /node/scratch -> /e rslave",
		"bind /node/scratch -> /f rshared",
		"bind /node/scratch -> /g ro  recursive",
		"bind /node/config -> /h ro",
		"bind /node/claim -> /i ro",
		"bind /srv/link -> /j",
		"bind /srv/link/sub -> /k",
		"bind /node/scratch/real -> /l",
		"bind /node/run/termination/web/0 -> /dev/termination-log",
	})
	for _, dir := range []string{s.in("scratch", "new", "dir"), s.in("scratch", "me", "logs")} {
		if got := mode(t, dir); got != "drwxrwxrwx" {
			t.Errorf("mode of %s is %s, want that of the volume", dir, got)
		}
	}
	if got := mode(t, s.path("pod/host/srv/data/sub")); got != "drwxr-xr-x" {
		t.Errorf("mode in the hostPath is %s", got)
	}
}

func TestSubPathHasModeOfVolume(t *testing.T) {
	_, group := ids()
	s := stage(t, fmt.Sprintf(`
containers: [{name: web, volumeMounts: [{name: v, mountPath: /v, subPath: a/b}]}]
securityContext: {fsGroup: %d}
volumes: [{name: v, emptyDir: {}}]`, group))
	s.setup()
	s.first()
	if got := mode(t, s.in("v", "a", "b")); got != "dgrwxrwxrwx" {
		t.Errorf("mode is %s", got)
	}
}

// What a subPath of a projected volume shows stays on the node for as long as the container may start with it.
func TestSubPathOfConfigMap(t *testing.T) {
	s := stage(t, `
containers: [{name: web, volumeMounts: [{name: v, mountPath: /v, subPath: colour}]}]
volumes: [{name: v, configMap: {name: settings}}]`)
	s.setup()
	source := func() string {
		_, host := s.first()
		return strings.Replace(host.Mounts[0].Source, node+"/v", s.in("v"), 1)
	}
	update := func(colour string) {
		t.Helper()
		if err := s.Update(nil, nil, sources(t, `configMaps: {settings: {data: {colour: `+colour+`}}}`)); err != nil {
			t.Fatal(err)
		}
	}
	old := source()
	update("red")
	update("green")
	if got := read(t, old); got != "blue" {
		t.Errorf("the mount shows %q", got)
	}
	if got := read(t, s.in("v", "colour")); got != "green" {
		t.Errorf("the volume shows %q", got)
	}
	if again := source(); read(t, again) != "green" {
		t.Errorf("the next attempt shows %q", read(t, again))
	}
	update("black")
	missing(t, old)
}

func TestSubPathsRefused(t *testing.T) {
	const prepare, create = `failed to prepare subPath for volumeMount "v" of container "web"`, `failed to create subPath directory for volumeMount "v" of container "web"`
	for sub, want := range map[string]string{
		"subPath: out":                prepare,
		"subPath: out/etc":            prepare,
		"subPath: up":                 prepare,
		"subPath: up/new":             create,
		"subPath: dangling":           prepare,
		"subPath: file/new":           prepare,
		"subPath: /etc":               "error SubPath `/etc` must not be an absolute path",
		"subPath: a/../..":            "unable to provision SubPath `a/../..`: must not contain '..'",
		`subPathExpr: "$(A)/$(NONE)"`: "missing value for A, NONE",
		`subPathExpr: "$(UP)"`:        "unable to provision SubPath `..`: must not contain '..'",
	} {
		t.Run(sub, func(t *testing.T) {
			s := stage(t, `
containers: [{name: web, env: [{name: A, value: ""}, {name: UP, value: ".."}], volumeMounts: [{name: v, mountPath: /v, `+sub+`}]}]
volumes: [{name: v, emptyDir: {}}]`)
			s.symlink("/", "pod/volumes/v/out")
			s.symlink("../..", "pod/volumes/v/up")
			s.symlink("../../new", "pod/volumes/v/dangling")
			s.set("pod/volumes/v/file", "")
			s.refuses(want)
			missing(t, s.path("skep/new"))
		})
	}
}

func TestMountsRefused(t *testing.T) {
	for m, want := range map[string]string{
		`volumeMounts: [{name: nope, mountPath: /x}]`:                                                                                `cannot find volume "nope" to mount into container "web"`,
		`volumeMounts: [{name: image, mountPath: /x}]`:                                                                               `cannot find volume "image" to mount into container "web"`,
		`volumeDevices: [{name: v, devicePath: /dev/x}]`:                                                                             `cannot find volume "v" to pass into container "web"`,
		`volumeMounts: [{name: v, mountPath: /x, readOnly: true, recursiveReadOnly: Enabled}]`:                                       `failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not supported by the runtime`,
		`volumeMounts: [{name: v, mountPath: /x, recursiveReadOnly: IfPossible}]`:                                                    `failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not read-only`,
		`volumeMounts: [{name: v, mountPath: /x, readOnly: true, recursiveReadOnly: IfPossible, mountPropagation: HostToContainer}]`: `failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not compatible with propagation "HostToContainer"`,
		`volumeMounts: [{name: v, mountPath: /x, mountPropagation: Sideways}]`:                                                       `invalid MountPropagation mode: "Sideways"`,
		`volumeMounts: [{name: v, mountPath: /x, bindMountOptions: [noexec]}]`:                                                       `volume "v": bindMountOptions are not supported by the Docker Engine`,
	} {
		s := stage(t, "containers: [{name: web}]\nvolumes: [{name: v, emptyDir: {}}, {name: image, image: {reference: x}}]")
		fill(t, &s.pod.Spec.Containers[0], m)
		s.refuses(want)
	}
}

func TestTerminationMessage(t *testing.T) {
	s := stage(t, `containers: [{name: web, terminationMessagePath: /tmp/why}]`)
	c := &s.pod.Spec.Containers[0]
	message := func(attempt int) string {
		t.Helper()
		text, err := s.TerminationMessage(c, attempt)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if got := message(0); got != "" {
		t.Errorf("message of an attempt that never was: %q", got)
	}
	for attempt := range 3 {
		_, host, err := s.Container(c, ImageConfig{}, attempt)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "mounts", lines(host.Mounts), []string{fmt.Sprintf("bind /node/run/termination/web/%d -> /tmp/why", attempt)})
		file := s.path("pod/run/termination/web", fmt.Sprint(attempt))
		if got := mode(t, file); got != "-rw-rw-rw-" {
			t.Errorf("mode is %s", got)
		}
		if got := message(attempt); got != "" {
			t.Errorf("message before the end: %q", got)
		}
		if err := os.WriteFile(file, []byte(strings.Repeat("x", 5000)+fmt.Sprint(attempt)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got := message(2); len(got) != 4096 || !strings.HasSuffix(got, "x2") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-2:])
	}
	if got := message(1); !strings.HasSuffix(got, "x1") {
		t.Error("the message of the attempt before is gone")
	}
	missing(t, s.path("pod/run/termination/web/0"))
}

// A volume that is mounted where the message would be takes its place.
func TestVolumeAtTerminationMessagePath(t *testing.T) {
	s := stage(t, `
containers: [{name: web, terminationMessagePath: /v, volumeMounts: [{name: v, mountPath: /v/}]}]
volumes: [{name: v, emptyDir: {}}]`)
	_, host := s.first()
	equal(t, "mounts", lines(host.Mounts), []string{"bind /node/v -> /v"})
}
