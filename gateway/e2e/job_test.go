package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestJobWalk(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply("job")
	s.kubectl("wait", "--for=condition=complete", "job/sums", "--timeout=60s")
	names := s.podNames("batch.kubernetes.io/job-name=sums")
	if len(names) != 3 {
		t.Fatalf("Pods are %v", names)
	}
	for _, name := range names {
		if !regexp.MustCompile(`^sums-[a-z0-9]{5}$`).MatchString(name) {
			t.Errorf("a Pod of it is called %s", name)
		}
		s.waitField(5*time.Second, "pod/"+name, ".status.phase", "Succeeded")
	}
	if row := strings.Fields(s.kubectl("get", "job", "--no-headers")); strings.Join(row[:3], " ") != "sums Complete 3/3" {
		t.Errorf("get job says %v", row)
	}
	contains(t, s.kubectl("describe", "job", "sums"), "Pods Statuses:", "0 Active (0 Ready) / 3 Succeeded / 0 Failed", "Created pod: "+names[0])
	s.kubectl("logs", "job/sums") // of one of its Pods

	version := s.docker("service", "inspect", "-f", "{{.Version.Index}} {{.JobStatus.JobIteration.Index}}", s.ns+"_sums")
	s.kubectl("label", "job/sums", "season=spring")
	s.kubectl("annotate", "job/sums", "note=hello")
	if got := s.docker("service", "inspect", "-f", "{{.Version.Index}} {{.JobStatus.JobIteration.Index}}", s.ns+"_sums"); got != version {
		t.Errorf("a label changes the service, which runs the job again: %s, was %s", got, version)
	}
	contains(t, s.kubectl("get", "job", "sums", "--show-labels"), "season=spring", "Complete")
	if again := s.podNames("batch.kubernetes.io/job-name=sums"); !slices.Equal(names, again) {
		t.Errorf("Pods are %v, were %v", again, names)
	}

	s.kubectl("patch", "job", "sums", "-p", `{"spec":{"ttlSecondsAfterFinished":1}}`)
	eventually(t, 30*time.Second, func() error { return s.jobless() })
}

// jobless says that of Jobs nothing is left: no object, Pod, service or document.
func (s *space) jobless() error {
	left := append(strings.Fields(s.kubectl("get", "jobs,pods", "-o", "name")), s.services()...)
	for _, name := range strings.Fields(s.docker("config", "ls", "--format", "{{.Name}}", "--filter", "label=com.docker.stack.namespace="+s.ns)) {
		if strings.HasPrefix(name, "skep.job") {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("left: %v", left)
	}
	return nil
}

// A Job that fails, one that is suspended and resumed, one that takes too long, and one of which each Pod has a number.
func TestJobEnds(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	job := func(name, more, labels, args string) string {
		return `
apiVersion: batch/v1
kind: Job
metadata: {name: ` + name + `}
spec:
  ` + more + `
  template:
    metadata: {labels: {` + labels + `}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: "skep-test:v1", args: [` + args + `]}]
---`
	}
	s.applyText(job("fails", "backoffLimit: 1", `simulate.exit: 500ms, simulate.code: "3"`, "--exit-after=500ms, --exit-code=3") +
		job("slow", "activeDeadlineSeconds: 3", "app: slow", ""))
	contains(t, s.applyText(job("later", "suspend: true", "simulate.exit: 1s", "--exit-after=1s")), "created")

	if pods := s.podNames("batch.kubernetes.io/job-name=later"); len(pods) > 0 {
		t.Errorf("a suspended Job has Pods %v", pods)
	}
	s.waitField(5*time.Second, "job/later", ".status.conditions[?(@.type=='Suspended')].status", "True")
	contains(t, s.refused("", "patch", "job", "slow", "-p", `{"spec":{"parallelism":2}}`), "Swarm runs a job again")
	s.kubectl("patch", "job", "later", "-p", `{"spec":{"suspend":false}}`)
	s.kubectl("wait", "--for=condition=complete", "job/later", "--timeout=60s")

	s.kubectl("wait", "--for=condition=failed", "job/slow", "--timeout=60s")
	s.waitField(5*time.Second, "job/slow", ".status.conditions[?(@.type=='Failed')].reason", "DeadlineExceeded")
	eventually(t, 20*time.Second, func() error {
		if pods := s.podNames("batch.kubernetes.io/job-name=slow"); len(pods) > 0 {
			return fmt.Errorf("it still has Pods %v", pods)
		}
		return nil
	})
	s.kubectl("wait", "--for=condition=failed", "job/fails", "--timeout=60s")
	s.waitField(5*time.Second, "job/fails", ".status.conditions[?(@.type=='Failed')].reason", "BackoffLimitExceeded")
	s.waitField(5*time.Second, "job/fails", ".status.failed", "2")
	if pods := s.podNames("batch.kubernetes.io/job-name=fails"); len(pods) != 2 {
		t.Errorf("two attempts are the Pods %v", pods)
	}

	s.applyText(job("parts", "completionMode: Indexed\n  completions: 2\n  parallelism: 2", "app: parts", ""))
	names := s.waitRunning("app=parts", 2)
	slices.Sort(names)
	for i, name := range names {
		if !regexp.MustCompile(fmt.Sprintf(`^parts-%d-[a-z0-9]{5}$`, i)).MatchString(name) {
			t.Errorf("Pod %d is called %s", i, name)
		}
		if got := s.field("pod/"+name, ".metadata.labels.batch\\.kubernetes\\.io/job-completion-index"); got != fmt.Sprint(i) {
			t.Errorf("Pod %s has the index %q", name, got)
		}
	}
	s.kubectl("delete", "jobs", "--all", "--cascade=foreground", "--timeout=30s")
	eventually(t, 20*time.Second, func() error {
		if pods := s.podNames(""); len(pods) > 0 {
			return fmt.Errorf("there are Pods %v", pods)
		}
		return nil
	})
}

// In its container each Pod of an Indexed Job knows its number, also 0.
func TestJobIndex(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(`
apiVersion: batch/v1
kind: Job
metadata: {name: parts}
spec:
  completionMode: Indexed
  completions: 2
  parallelism: 2
  template:
    metadata: {labels: {app: parts}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: "nginx:alpine"}]
`)
	names := s.waitRunning("app=parts", 2)
	slices.Sort(names)
	for i, name := range names {
		if got := s.inContainer(name, "sh", "-c", "echo $JOB_COMPLETION_INDEX $(hostname)"); got != fmt.Sprintf("%d parts-%d", i, i) {
			t.Errorf("%s says %q", name, got)
		}
	}
}

// What docker service create makes shows as Jobs.
func TestJobOfDocker(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	name := s.ns + "_migrate"
	s.docker("service", "create", "-d", "--name", name, "--label", "com.docker.stack.namespace="+s.ns, "--mode", "replicated-job", "--replicas", "2",
		"--container-label", "simulate.exit=1s", "--restart-condition", "on-failure", "--restart-max-attempts", "3", "skep-test:v1", "--exit-after=1s")
	eventually(t, 20*time.Second, func() error {
		_, err := s.try("get", "job", "migrate")
		return err
	})
	if got := s.field("job/migrate", ".spec.backoffLimit"); got != "3" {
		t.Errorf("its backoffLimit is %s", got)
	}
	s.kubectl("wait", "--for=condition=complete", "job/migrate", "--timeout=60s")
	s.kubectl("label", "job", "migrate", "season=spring")
	if got := s.docker("service", "inspect", "-f", "{{.JobStatus.JobIteration.Index}}", name); got != "0" {
		t.Errorf("a label runs it again: %s", got)
	}
	s.kubectl("delete", "job", "migrate", "--timeout=30s")
	eventually(t, 20*time.Second, func() error { return s.jobless() })
}
