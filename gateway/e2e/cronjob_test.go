package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCronJobWalk(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply("cronjob")
	contains(t, s.kubectl("get", "cronjob", "tick"), "* * * * *", "False")
	s.kubectl("create", "job", "now", "--from=cronjob/tick")
	s.kubectl("wait", "--for=condition=complete", "job/now", "--timeout=60s")
	if owner := s.field("job/now", ".metadata.ownerReferences[0].name"); owner != "tick" {
		t.Errorf("the Job's owner is %q", owner)
	}

	// Its own Job comes with the next minute.
	var own string
	eventually(t, 75*time.Second, func() error {
		for _, name := range strings.Fields(s.kubectl("get", "jobs", "-o", "jsonpath={.items[*].metadata.name}")) {
			if strings.HasPrefix(name, "tick-") {
				own = name
				return nil
			}
		}
		return fmt.Errorf("no Job was made:\n%s", s.kubectl("get", "cronjobs,jobs"))
	})
	s.kubectl("wait", "--for=condition=complete", "job/"+own, "--timeout=60s")
	s.waitField(20*time.Second, "cronjob/tick", ".status.active", "")
	if got := s.field("cronjob/tick", ".status.lastSuccessfulTime"); got == "" {
		t.Error("it does not know that a Job of it succeeded")
	}
	contains(t, s.kubectl("describe", "cronjob", "tick"), "SuccessfulCreate", own)

	s.kubectl("patch", "cronjob", "tick", "-p", `{"spec":{"suspend":true}}`)
	contains(t, s.kubectl("get", "cronjob", "tick"), "True")
	s.kubectl("delete", "cronjob", "tick", "--timeout=30s")
	eventually(t, 30*time.Second, func() error { return s.jobless() })
}

// The Jobs of a CronJob go before it, or stay without one.
func TestCronJobCascade(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for _, c := range []struct{ cascade, left string }{{"foreground", ""}, {"orphan", "job.batch/now"}} {
		s.applyText(s.manifest("cronjob", "* * * * *", "0 0 1 1 *"))
		s.kubectl("create", "job", "now", "--from=cronjob/tick")
		s.kubectl("wait", "--for=condition=complete", "job/now", "--timeout=60s")
		s.kubectl("delete", "cronjob", "tick", "--cascade="+c.cascade, "--timeout=30s")
		time.Sleep(time.Second) // long enough for a wrong deletion to show
		if left := strings.TrimSpace(s.kubectl("get", "jobs", "-o", "name")); left != c.left {
			t.Errorf("%s leaves %q", c.cascade, left)
		}
	}
	if owner := s.field("job/now", ".metadata.ownerReferences"); owner != "" {
		t.Errorf("the orphan has the owners %s", owner)
	}
}
