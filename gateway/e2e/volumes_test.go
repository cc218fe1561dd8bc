package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// What containers of a Pod share, and what follows its source while the Pod runs.
func TestSandboxVolumes(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green, app.conf: "workers = 4"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {password: s3cr3t}
`)
	mounts := `
    volumeMounts:
    - {name: disk, mountPath: /disk}
    - {name: memory, mountPath: /memory}
    - {name: settings, mountPath: /etc/settings}
    - {name: settings, mountPath: /etc/one.conf, subPath: app.conf}
    - {name: disk, mountPath: /part, subPath: parts/a}
    - {name: disk, mountPath: /named, subPathExpr: pods/$(POD_NAME)}
    - {name: keys, mountPath: /etc/keys, readOnly: true}
    - {name: all, mountPath: /etc/all}
    - {name: host, mountPath: /host}
    env:
    - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {containerName: main, resource: limits.memory}}}
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    resources: {limits: {cpu: 250m, memory: 64Mi}, requests: {cpu: 50m, memory: 32Mi}}
`
	folder := "/var/lib/skep-e2e-" + s.ns
	t.Cleanup(func() { _ = os.RemoveAll(folder) }) // the rig's nodes have this machine's file system
	s.applyText(sandboxed("holder", "Always", fmt.Sprintf(`
  volumes:
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 8Mi}}
  - {name: settings, configMap: {name: settings}}
  - {name: keys, secret: {secretName: keys, defaultMode: 0400}}
  - {name: host, hostPath: {path: %s, type: DirectoryOrCreate}}
  - name: all
    projected:
      sources:
      - configMap: {name: settings, items: [{key: colour, path: in/colour}]}
      - secret: {name: keys}
      - downwardAPI:
          items:
          - {path: labels, fieldRef: {fieldPath: metadata.labels}}
          - {path: memory, resourceFieldRef: {containerName: main, resource: limits.memory, divisor: 1Mi}}
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
  containers:
`, folder)+shell("main", "sleep 3600", mounts)+shell("other", "sleep 3600", mounts)))
	s.ready("holder")

	s.sh("holder", "main", "echo shared >/disk/file; echo fast >/memory/file; echo part >/part/file; echo kept >/host/file")
	for line, want := range map[string]string{
		"cat /disk/file /memory/file /disk/parts/a/file":                "shared\nfast\npart",
		"ls -d /disk/pods/holder":                                       "/disk/pods/holder",
		"stat -f -c %T /memory":                                         "tmpfs",
		"cat /host/file":                                                "kept",
		"cat /etc/settings/colour /etc/one.conf":                        "greenworkers = 4",
		"cat /etc/keys/password; stat -Lc ' %a' /etc/keys/password":     "s3cr3t 400",
		"cat /etc/all/in/colour /etc/all/password; cat /etc/all/memory": "greens3cr3t64",
		"cat /etc/all/labels":                                           `app="holder"`,
		"tr -dc . </etc/all/token":                                      "..",
		"echo $POD_NAME $CPU $MEMORY $COLOUR":                           "holder 250 67108864 green",
		"echo $POD_IP":                                                  s.field("pod/holder", ".status.podIP"),
		"echo $NODE":                                                    s.field("pod/holder", ".spec.nodeName"),
	} {
		if got := s.sh("holder", "other", line); got != want {
			t.Errorf("%s prints %q, want %q", line, got, want)
		}
	}
	if out, err := s.try("exec", "holder", "-c", "main", "--", "sh", "-c", "echo no >/etc/settings/colour"); err == nil {
		t.Errorf("a ConfigMap's file can be written: %s", out)
	}

	// Live, all at once, and without a restart. What is mounted by subPath stays, as the kubelet has it.
	s.kubectl("patch", "configmap", "settings", "-p", `{"data":{"colour":"blue","app.conf":"workers = 8","new":"more"}}`)
	s.kubectl("patch", "secret", "keys", "-p", `{"stringData":{"password":"changed"}}`)
	s.kubectl("label", "pod", "holder", "season=spring")
	s.waitSh("holder", "main", "cat /etc/settings/colour /etc/settings/new /etc/all/in/colour", "bluemoreblue")
	s.waitSh("holder", "other", "cat /etc/keys/password /etc/all/password", "changedchanged")
	s.waitSh("holder", "other", "cat /etc/all/labels", "app=\"holder\"\nseason=\"spring\"")
	if got := s.sh("holder", "main", "cat /etc/one.conf; readlink /etc/settings/colour; echo $COLOUR"); got != "workers = 4..data/colour\ngreen" {
		t.Errorf("subPath, link and variable are %q", got)
	}
	s.waitRow("holder", "2/2 Running 0")
	s.kubectl("delete", "pod", "holder", "--timeout=90s")
	s.nothingLeft()
}

// Who the processes are, and what they may do.
func TestSandboxSecurity(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(sandboxed("bound", "Always", "  securityContext: {runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [4000]}\n"+
		"  volumes: [{name: work, emptyDir: {}}]\n  containers:\n"+
		shell("main", "sleep 3600", "    volumeMounts: [{name: work, mountPath: /work}]\n    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n")+
		shell("other", "sleep 3600", "    securityContext: {runAsUser: 2000, capabilities: {add: [NET_ADMIN], drop: [CHOWN]}}\n")))
	s.applyText(sandboxed("root", "Always", "  securityContext: {runAsNonRoot: true}\n  containers:\n"+shell("main", "sleep 3600")+shell("other", "sleep 3600")))
	s.ready("bound")
	for line, want := range map[string]string{
		"id -u; id -g; id -G | tr ' ' '\\n' | sort | tr '\\n' ' '": "1000\n3000\n2000 3000 4000",
		"echo x >/work/file; stat -c '%u %g' /work/file":           "1000 2000",
		"touch /tmp/file 2>/dev/null || echo no":                   "no",
		"grep CapBnd /proc/1/status | cut -f2":                     "0000000000000000",
		"grep NoNewPrivs /proc/1/status | cut -f2":                 "1",
	} {
		if got := s.sh("bound", "main", line); got != want {
			t.Errorf("%s prints %q, want %q", line, got, want)
		}
	}
	if got := s.sh("bound", "other", "id -u; grep CapBnd /proc/1/status | cut -f2"); !strings.HasPrefix(got, "2000\n") || !bit(t, got[5:], 12) || bit(t, got[5:], 0) {
		t.Errorf("the other container is %q", got)
	}
	s.waitContainer("root", "main", ".state.waiting.reason", "CreateContainerConfigError")
	contains(t, s.container("root", "main", ".state.waiting.message"), "container has runAsNonRoot and image will run as root")
	s.waitRow("root", "0/2 CreateContainerConfigError 0")
}

// A privileged container, which Swarm has not.
func TestPrivileged(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	if _, err := run(t.Context(), "", "docker", "-H", s.dockerHost, "run", "--rm", "--privileged", "busybox", "true"); err != nil {
		t.Skipf("this machine's engine runs no privileged containers: %v", err)
	}
	s.applyText(sandboxed("over", "Always", "  containers:\n"+shell("main", "sleep 3600", "    securityContext: {privileged: true}\n")+shell("other", "sleep 3600")))
	s.ready("over")
	if got := s.sh("over", "main", "grep CapBnd /proc/1/status | cut -f2"); !bit(t, got, 21) {
		t.Errorf("a privileged container has the capabilities %s", got)
	}
	if got := s.sh("over", "other", "grep CapBnd /proc/1/status | cut -f2"); bit(t, got, 21) {
		t.Errorf("the container beside it has the capabilities %s", got)
	}
}

// bit says whether a set of capabilities in hexadecimal has one.
func bit(t *testing.T, hex string, n int) bool {
	t.Helper()
	var set uint64
	if _, err := fmt.Sscanf(strings.TrimSpace(hex), "%x", &set); err != nil {
		t.Fatalf("capabilities %q: %v", hex, err)
	}
	return set&(1<<n) != 0
}
