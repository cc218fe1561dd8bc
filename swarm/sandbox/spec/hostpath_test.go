package spec

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"skep/translate/manifest"
)

func TestHostPath(t *testing.T) {
	for name, c := range map[string]struct{ volume, want string }{
		"directory":               {`{path: /dir, type: Directory}`, ""},
		"through the node's link": {`{path: /link/file, type: File}`, ""},
		"socket":                  {`{path: /sock, type: Socket}`, ""},
		"no type, nothing there":  {`{path: /new/dir}`, ""},
		"no type, a file":         {`{path: /dir/file}`, ""},
		"to be created":           {`{path: /link/made/deep, type: DirectoryOrCreate}`, ""},
		"file to be created":      {`{path: /dir/made, type: FileOrCreate}`, ""},
		"a file is no directory":  {`{path: /dir/file, type: Directory}`, "hostPath type check failed: /dir/file is not a directory, it's a File"},
		"nor is one created there": {
			`{path: /dir/file, type: DirectoryOrCreate}`, "hostPath type check failed: /dir/file is not a directory, it's a File",
		},
		"a directory is no file": {`{path: /dir, type: FileOrCreate}`, "hostPath type check failed: /dir is not a file, it's a Directory"},
		"nothing": {
			`{path: /none, type: Directory}`,
			`hostPath type check failed, /none is not a directory, unable to determine its type: path "/none" does not exist`,
		},
		"no socket": {`{path: /dir, type: Socket}`, "hostPath type check failed: /dir is not a socket file, it's a Directory"},
		"no device": {`{path: /dir, type: CharDevice}`, "hostPath type check failed: /dir is not a character device, it's a Directory"},
		"no block":  {`{path: /dir, type: BlockDevice}`, "hostPath type check failed: /dir is not a block device, it's a Directory"},
		"unknown":   {`{path: /dir, type: Pipe}`, "Pipe is an invalid volume type"},
		"backsteps": {`{path: /dir/../etc}`, "invalid HostPath `/dir/../etc`: must not contain '..'"},
	} {
		t.Run(name, func(t *testing.T) {
			s := stage(t, "containers: [{name: web}]\nvolumes: [{name: h, hostPath: "+c.volume+"}]")
			s.set("pod/host/dir/file", "x")
			s.symlink("/dir", "pod/host/link")
			// A socket's path may be 107 characters long, a test's directory is longer.
			t.Chdir(filepath.Join(s.root, manifest.HostDir))
			socket, err := net.Listen("unix", "sock")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = socket.Close() }()
			got := ""
			if err := s.Setup(); err != nil {
				got = err.Error()
			}
			if c.want != "" {
				c.want = `MountVolume.SetUp failed for volume "h" : ` + c.want
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for path, text := range map[string]string{"to be created": "made/deep", "file to be created": "made"} {
				if _, err := os.Stat(filepath.Join(s.root, manifest.HostDir, "dir", text)); path == name && err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestHostPathNeedsNode(t *testing.T) {
	s := stage(t, `{containers: [{name: web}], volumes: [{name: h, hostPath: {path: /dir}}]}`)
	if err := os.Remove(filepath.Join(s.root, manifest.HostDir)); err != nil {
		t.Fatal(err)
	}
	want := `MountVolume.SetUp failed for volume "h" : the node's root directory is not mounted at /pod/host in the sandbox, so /dir cannot be looked at`
	if err := s.Setup(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
