package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned"
)

// burning are a Pod that is always busy, up to its limit, and one with two containers that sleep.
const burning = `
apiVersion: v1
kind: Pod
metadata: {name: burn, labels: {does: work}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: fire
    image: busybox
    imagePullPolicy: IfNotPresent
    command: ["sh", "-c", "while :; do :; done"]
    resources: {limits: {cpu: 300m}}
---
apiVersion: v1
kind: Pod
metadata: {name: idle, labels: {does: nothing}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: one, image: busybox, imagePullPolicy: IfNotPresent, command: ["sleep", "3600"]}
  - {name: two, image: busybox, imagePullPolicy: IfNotPresent, command: ["sleep", "3600"]}
`

// milli reads a figure of kubectl top, such as 250m or 12Mi.
func milli(t *testing.T, text, unit string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSuffix(text, unit))
	if err != nil || !strings.HasSuffix(text, unit) {
		t.Fatalf("%q is no number of %s", text, unit)
	}
	return n
}

// tryTop is what kubectl top says without its header, split into words, in order.
func (s *space) tryTop(args ...string) ([][]string, error) {
	out, err := s.try(append(append([]string{"top"}, args...), "--no-headers")...)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, line := range lines(out) {
		rows = append(rows, strings.Fields(line))
	}
	slices.SortFunc(rows, slices.Compare[[]string])
	return rows, nil
}

// top is tryTop that must succeed.
func (s *space) top(args ...string) [][]string {
	s.t.Helper()
	rows, err := s.tryTop(args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

func TestTop(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(burning)
	s.kubectl("wait", "--for=condition=Ready", "pod/burn", "pod/idle", "--timeout=90s")

	// The first answers may hold the time before the Pods ran.
	eventually(t, time.Minute, func() error {
		rows, err := s.tryTop("pods")
		if err != nil {
			return err
		}
		if len(rows) != 2 || rows[0][0] != "burn" || rows[1][0] != "idle" {
			return fmt.Errorf("top pods says %q", rows)
		}
		if busy, idle := milli(t, rows[0][1], "m"), milli(t, rows[1][1], "m"); busy < 50 || busy > 450 || idle > busy {
			return fmt.Errorf("the busy Pod uses %dm of its 300m, the idle one %dm", busy, idle)
		}
		return nil
	})
	rows := s.top("pods", "--containers")
	var names []string
	for _, row := range rows {
		names = append(names, row[0]+"/"+row[1])
		milli(t, row[3], "Mi")
	}
	if want := []string{"burn/fire", "idle/one", "idle/two"}; !slices.Equal(names, want) {
		t.Errorf("--containers shows %q, want %q", names, want)
	}
	if rows := s.top("pods", "-l", "does=work", "--use-protocol-buffers"); len(rows) != 1 || rows[0][0] != "burn" {
		t.Errorf("-l shows %q", rows)
	}
	if rows := s.top("pod", "idle"); len(rows) != 1 || rows[0][0] != "idle" {
		t.Errorf("top pod idle shows %q", rows)
	}
	if rows := s.top("pods", "-A"); !slices.ContainsFunc(rows, func(row []string) bool { return row[0] == s.ns && row[1] == "burn" }) {
		t.Errorf("-A shows %q", rows)
	}
	contains(t, s.refused("", "top", "pod", "nosuch"), "not found")
	contains(t, s.kubectl("get", "podmetrics"), "NAME", "CPU", "MEMORY", "WINDOW", "burn")

	s.kubectl("delete", "pod", "burn", "--timeout=60s")
	if out := s.kubectl("get", "podmetrics", "-o", "name"); strings.Contains(out, "burn") {
		t.Errorf("of a Pod that is gone there are metrics: %s", out)
	}
}

func TestTopNodes(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	node := s.kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	for _, args := range [][]string{{"nodes"}, {"node", node}, {"nodes", "-l", "kubernetes.io/hostname=" + node}, {"nodes", "--use-protocol-buffers"}} {
		rows := s.top(args...)
		if len(rows) != 1 || rows[0][0] != node || len(rows[0]) != 5 {
			t.Errorf("top %v shows %q", args, rows)
			continue
		}
		if milli(t, rows[0][3], "Mi") == 0 || milli(t, rows[0][4], "%") > 100 {
			t.Errorf("the memory in use is %q", rows[0])
		}
	}
	contains(t, s.refused("", "top", "node", "nosuch"), "not found")
	contains(t, s.kubectl("api-resources", "--api-group=metrics.k8s.io"), "NodeMetrics", "PodMetrics")
	contains(t, s.kubectl("explain", "podmetrics.containers"), "usage", "memory working set")
	contains(t, s.kubectl("get", "--raw", "/openapi/v3/apis/metrics.k8s.io/v1beta1"), "NodeMetricsList")
	contains(t, s.refused("", "delete", "nodemetrics", node), "MethodNotAllowed")

	config, err := clientcmd.BuildConfigFromFlags("", s.gateway.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := metricsclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	m, err := client.MetricsV1beta1().NodeMetricses().Get(t.Context(), node, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Window.Duration <= 0 || m.Timestamp.IsZero() || m.Usage.Memory().IsZero() {
		t.Errorf("an autoscaler reads %v", m)
	}
}
