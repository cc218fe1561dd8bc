package spec

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// ids are a user and a group that files can be given to here: any, for root.
func ids() (user, group int) {
	if os.Getuid() == 0 {
		return 1234, 2345
	}
	return os.Getuid(), os.Getgid()
}

// tree is what users see of a projected volume: path mode owner:group content, links followed.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "..") {
			continue
		}
		root, err := filepath.EvalSymlinks(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			stat := info.Sys().(*syscall.Stat_t)
			name := entry.Name() + strings.TrimPrefix(path, root)
			lines = append(lines, fmt.Sprintf("%s %s %d:%d %s", name, info.Mode(), stat.Uid, stat.Gid, read(t, path)))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

func TestVolumes(t *testing.T) {
	user, group := ids()
	me, mine := os.Getuid(), os.Getgid()
	for name, c := range map[string]struct {
		pod, volume string // %[1]d is a user, %[2]d a group
		want        []string
	}{
		"configMap": {volume: `configMap: {name: settings}`, want: []string{
			fmt.Sprintf("colour -rw-r--r-- %d:%d blue", me, mine),
			fmt.Sprintf("raw -rw-r--r-- %d:%d \x00\x01\xff", me, mine),
			fmt.Sprintf("size -rw-r--r-- %d:%d large", me, mine),
		}},
		"configMap with items": {
			volume: `configMap: {name: settings, defaultMode: 0400, items: [{key: colour, path: a/b/c}, {key: size, path: a/size, mode: 0777}]}`,
			want:   []string{fmt.Sprintf("a/b/c -r-------- %d:%d blue", me, mine), fmt.Sprintf("a/size -rwxrwxrwx %d:%d large", me, mine)},
		},
		"optional configMap and key": {volume: `projected: {sources: [{configMap: {name: gone, optional: true}}, {configMap: {name: settings, optional: true, items: [{key: gone, path: x}]}}]}`},
		"secret of a user": {
			volume: `secret: {secretName: keys, defaultMode: 0440, defaultUser: %[1]d, items: [{key: user, path: who}]}`,
			want:   []string{fmt.Sprintf("who -r--r----- %d:%d anna", user, mine)},
		},
		"secret of a group": {
			pod: `securityContext: {fsGroup: %[2]d}`, volume: `secret: {secretName: keys, defaultMode: 0400, items: [{key: user, path: d/who}]}`,
			want: []string{fmt.Sprintf("d/who -r--r----- %d:%d anna", me, group)},
		},
		"downwardAPI": {volume: `downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}, {path: n/note, fieldRef: {fieldPath: "metadata.annotations['note']"}}, {path: cpu, mode: 0600, resourceFieldRef: {containerName: web, resource: limits.cpu, divisor: 1m}}]}`, want: []string{
			fmt.Sprintf("cpu -rw------- %d:%d 4000", me, mine),
			fmt.Sprintf("labels -rw-r--r-- %d:%d app=\"web\"\ntier=\"front\"", me, mine),
			fmt.Sprintf("n/note -rw-r--r-- %d:%d hello", me, mine),
		}},
		"projected, the later source over the earlier": {volume: `projected: {defaultMode: 0444, sources: [{configMap: {name: settings, items: [{key: colour, path: x}]}}, {secret: {name: keys, items: [{key: user, path: x}]}}, {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}]}`, want: []string{
			fmt.Sprintf("name -r--r--r-- %d:%d web", me, mine),
			fmt.Sprintf("x -r--r--r-- %d:%d anna", me, mine),
		}},
		"tokens": {volume: `projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 3600}}, {serviceAccountToken: {path: vault, audience: vault, expirationSeconds: 600}}]}`, want: []string{
			fmt.Sprintf("token -rw-r--r-- %d:%d eyJ0b2tlbi4x", me, mine),
			fmt.Sprintf("vault -rw-r--r-- %d:%d vault-token", me, mine),
		}},
		"token of the only user": {
			pod: `securityContext: {runAsUser: %[1]d}`, volume: `projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 3600}}]}`,
			want: []string{fmt.Sprintf("token -rw------- %d:%d eyJ0b2tlbi4x", user, mine)},
		},
		"token of a group": {
			pod: `securityContext: {fsGroup: %[2]d}`, volume: `projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 3600}}]}`,
			want: []string{fmt.Sprintf("token -rw-r----- %d:%d eyJ0b2tlbi4x", me, group)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := c.pod + "\ncontainers: [{name: web}]\nvolumes:\n- name: v\n  " + c.volume
			if strings.Contains(text, "%[") {
				text = fmt.Sprintf(text+"\n# %[1]d %[2]d", user, group)
			}
			s := stage(t, text)
			s.setup()
			equal(t, "files", tree(t, s.in("v")), c.want)
			if got := mode(t, s.in("v")); !strings.HasSuffix(got, "rwxrwxrwx") {
				t.Errorf("mode of the volume is %s", got)
			}
		})
	}
}

// Messages are those of a kubelet's FailedMount events; each volume has its own, and what was missing can come later.
func TestVolumesRefused(t *testing.T) {
	s := stage(t, `
containers: [{name: web}]
volumes:
- {name: a, configMap: {name: late}}
- {name: b, secret: {secretName: keys, items: [{key: nope, path: x}]}}
- {name: c, configMap: {name: settings, items: [{key: nope, path: x}]}}
- {name: d, projected: {sources: [{configMap: {name: late}}, {secret: {name: gone}}]}}
- {name: e, downwardAPI: {items: [{path: x, fieldRef: {fieldPath: spec.nodeName}}]}}
- {name: f, configMap: {name: settings, items: [{key: colour, path: ../x}]}}
- {name: g, image: {reference: nginx}}
- {name: h, projected: {sources: [{serviceAccountToken: {path: token, audience: nobody}}]}}
- {name: i, projected: {sources: [{clusterTrustBundle: {name: x, path: ca}}]}}
- {name: z, configMap: {name: settings}}`)
	equal(t, "events", strings.Split(s.Setup().Error(), "\n"), []string{
		`MountVolume.SetUp failed for volume "a" : configmap "late" not found`,
		`MountVolume.SetUp failed for volume "b" : references non-existent secret key: nope`,
		`MountVolume.SetUp failed for volume "c" : configmap references non-existent config key: nope`,
		`MountVolume.SetUp failed for volume "d" : [configmap "late" not found, secret "gone" not found]`,
		`MountVolume.SetUp failed for volume "e" : unsupported fieldPath: spec.nodeName`,
		`MountVolume.SetUp failed for volume "f" : invalid path: must not contain '..': ../x`,
		`MountVolume.SetUp failed for volume "g" : image volumes are not supported`,
		`MountVolume.SetUp failed for volume "h" : failed to fetch token: there is none of service account "" for audience "nobody"`,
		`MountVolume.SetUp failed for volume "i" : projected volumes of this source are not supported: configMap, secret, downwardAPI and serviceAccountToken are`,
	})
	if got := read(t, s.in("z", "colour")); got != "blue" {
		t.Errorf("the volume that nothing is wrong with has %q", got)
	}
	if err := s.Update(nil, nil, sources(t, `configMaps: {late: {data: {k: v}}, settings: {data: {colour: blue}}}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.Setup(); strings.Contains(err.Error(), `"a"`) {
		t.Error(err)
	}
	if got := read(t, s.in("a", "k")); got != "v" {
		t.Errorf("the volume whose ConfigMap came later has %q", got)
	}
}

func TestUpdate(t *testing.T) {
	s := stage(t, `
containers: [{name: web}]
volumes:
- {name: config, configMap: {name: settings}}
- {name: keys, secret: {secretName: keys}}
- {name: info, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
- {name: all, projected: {sources: [{configMap: {name: settings}}, {serviceAccountToken: {path: token, expirationSeconds: 3600}}]}}`)
	s.setup()
	before, err := os.Readlink(s.in("keys", "..data"))
	if err != nil {
		t.Fatal(err)
	}
	next := sources(t, twoSources)
	next.ConfigMaps["settings"] = sources(t, `configMaps: {settings: {data: {colour: red, n.w: "1"}}}`).ConfigMaps["settings"]
	next.Tokens = nil
	if err := s.Update(map[string]string{"app": "next"}, nil, next); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"config/colour": "red", "config/n.w": "1", "info/labels": `app="next"`, "all/colour": "red", "all/token": "eyJ0b2tlbi4x",
	} {
		if got := read(t, s.in(path)); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{"config/size", "config/raw", "all/size"} {
		missing(t, s.in(path))
	}
	if after, err := os.Readlink(s.in("keys", "..data")); err != nil || after != before {
		t.Errorf("a volume whose source is the same was written again: %s -> %s, %v", before, after, err)
	}
	// What is gone leaves the volume as it was.
	err = s.Update(nil, nil, sources(t, `secrets: {keys: {data: {user: YW5uYQ==}}}`))
	if err == nil || !strings.Contains(err.Error(), `MountVolume.SetUp failed for volume "config" : configmap "settings" not found`) {
		t.Errorf("error %v", err)
	}
	if got := read(t, s.in("config", "colour")); got != "red" {
		t.Errorf("colour is %q", got)
	}
	missing(t, s.in("keys", "password"))
}

// The same content changes nothing, and there is never more than one version.
func TestUpdateWithTheSame(t *testing.T) {
	s := stage(t, `{containers: [{name: web}], volumes: [{name: v, projected: {sources: [{configMap: {name: settings}}, {secret: {name: keys}}]}}]}`)
	s.setup()
	list := func() []string {
		var found []string
		entries, err := os.ReadDir(s.in("v"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, fmt.Sprint(e.Name(), info.ModTime(), info.Sys().(*syscall.Stat_t).Ino))
		}
		return found
	}
	first := list()
	for range 2 {
		if err := s.Update(nil, nil, sources(t, twoSources)); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "entries", list(), first)
	for i := range 5 {
		next := sources(t, twoSources)
		next.ConfigMaps["settings"] = sources(t, fmt.Sprintf(`configMaps: {settings: {data: {i: "%d"}}}`, i)).ConfigMaps["settings"]
		if err := s.Update(nil, nil, next); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(slices.DeleteFunc(list(), func(e string) bool { return !strings.HasPrefix(e, "..") })); got != 2 {
		t.Errorf("%d entries of the writer's, want ..data and one version: %q", got, list())
	}
}

func TestEmptyDir(t *testing.T) {
	_, group := ids()
	s := stage(t, fmt.Sprintf(`
containers: [{name: web}]
securityContext: {fsGroup: %d}
volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {mode: 01755, medium: Memory}}]`, group))
	s.setup()
	for volume, want := range map[string]string{"a": "dgrwxrwxrwx", "b": "dgtrwxrwxr-x"} {
		if got := mode(t, s.in(volume)); got != want {
			t.Errorf("mode of %s is %s, want %s", volume, got, want)
		}
	}
	plain := stage(t, `{containers: [{name: web}], volumes: [{name: a, emptyDir: {}}]}`)
	plain.setup()
	if got := mode(t, plain.in("a")); got != "drwxrwxrwx" {
		t.Errorf("mode without fsGroup is %s", got)
	}
}

// A claim's volume is given to the fsGroup with all that it holds, but for links, and with OnRootMismatch only if its root
// is not the group's yet.
func TestFSGroupOfClaim(t *testing.T) {
	_, group := ids()
	for policy, want := range map[string]string{"Always": "-rw-rw-r--", "OnRootMismatch": "-rw-r--r--"} {
		s := stage(t, fmt.Sprintf(`
containers: [{name: web}]
securityContext: {fsGroup: %d, fsGroupChangePolicy: %s}
volumes: [{name: data, persistentVolumeClaim: {claimName: data}}, {name: ro, persistentVolumeClaim: {claimName: data, readOnly: true}}]`, group, policy))
		s.set("outside", "x")
		s.set("pod/volumes/data/dir/file", "x")
		s.set("pod/volumes/ro/file", "x")
		s.symlink("../../../outside", "pod/volumes/data/link")
		s.setup()
		info, err := os.Stat(s.in("data", "dir", "file"))
		if err != nil || int(info.Sys().(*syscall.Stat_t).Gid) != group {
			t.Errorf("%s: group of the file: %v, %v", policy, info, err)
		}
		for path, want := range map[string]string{
			s.in("data"): "dgrwxrwxr-x", s.in("data", "dir"): "dgrwxrwxr-x", s.in("data", "dir", "file"): "-rw-rw-r--",
			filepath.Join(s.root, "outside"): "-rw-r--r--", s.in("ro", "file"): "-rw-r--r--",
		} {
			if got := mode(t, path); got != want {
				t.Errorf("%s: mode of %s is %s, want %s", policy, path, got, want)
			}
		}
		if err := os.Chmod(s.in("data", "dir", "file"), 0o644); err != nil {
			t.Fatal(err)
		}
		clear(s.filled)
		s.setup()
		if got := mode(t, s.in("data", "dir", "file")); got != want {
			t.Errorf("%s: mode is %s after the second time, want %s", policy, got, want)
		}
	}
}

// Other volumes can be mounted inside of one that is read-only.
func TestNestedMountpoints(t *testing.T) {
	s := stage(t, `
containers:
- name: web
  volumeMounts:
  - {name: outer, mountPath: /etc/app}
  - {name: inner, mountPath: /etc/app/cache}
  - {name: inner, mountPath: /etc/app/cache/deep}
  - {name: inner, mountPath: /etc/app/cache-two/sub}
  - {name: inner, mountPath: /etc/apple}
volumes: [{name: outer, configMap: {name: settings}}, {name: inner, emptyDir: {}}]`)
	s.setup()
	equal(t, "mount points", nestedIn(s.pod, "outer"), []string{"cache", "cache-two/sub"})
	for _, dir := range []string{"cache", "cache-two/sub"} {
		if got := mode(t, s.in("outer", dir)); got != "drwxr-xr-x" {
			t.Errorf("mode of %s is %s", dir, got)
		}
	}
	if err := s.Update(nil, nil, sources(t, `configMaps: {settings: {data: {colour: red}}}`)); err != nil {
		t.Fatal(err)
	}
	if got := mode(t, s.in("outer", "cache")); got != "drwxr-xr-x" {
		t.Errorf("mode after an update is %s", got)
	}
}
