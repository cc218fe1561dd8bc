package e2e

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// says runs kubectl, which must succeed, and returns all that it prints, warnings too.
func (s *space) says(stdin string, args ...string) string {
	s.t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), kubectlBin, s.args(args)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &out
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

// policy is the manifest of a NetworkPolicy; spec is YAML between braces.
func policy(name, spec string) string {
	return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: %s}\nspec: {%s}\n---\n", name, spec)
}

// networks names the overlays of a service.
func (s *space) networks(service string) string {
	s.t.Helper()
	var names []string
	for _, id := range strings.Fields(s.docker("service", "inspect", "-f", "{{range .Spec.TaskTemplate.Networks}}{{.Target}} {{end}}", service)) {
		names = append(names, s.docker("network", "inspect", "-f", "{{.Name}}", id))
	}
	return strings.Join(names, " ")
}

// A database that admits the API, and nobody else: by its name, by its address, and until the policy goes.
func TestNetworkPolicy(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(service("db", `selector: {app: db}, ports: [{port: 7000}]`))
	s.applyText(server{name: "db"}.manifest())
	s.caller("api", "app: api")
	s.caller("stranger", "app: stranger")
	s.rolledOut("db")
	// reaches waits until a Pod reaches the database, or does not; its container may be another meanwhile.
	reaches := func(pod string, want bool) {
		t.Helper()
		eventually(t, 60*time.Second, func() error {
			id := strings.TrimPrefix(s.field("pod/"+pod, ".status.containerStatuses[0].containerID"), "docker://")
			ip := s.field("pods", ".items[?(@.metadata.labels.app=='db')].status.podIP")
			c := caller{s, id}
			if _, err := c.try("resolve", "localhost"); err != nil {
				return err
			}
			for _, at := range []string{"db", strings.Fields(ip + " nowhere")[0]} {
				out, err := c.try("tcp", "--timeout", "1s", at+":7000", "hello")
				if got := err == nil && strings.HasPrefix(out, "db-"); got != want {
					return fmt.Errorf("%s reaches the database at %s: %t, want %t: %s %w", pod, at, got, want, out, err)
				}
			}
			return nil
		})
	}
	flat := s.networks(s.ns + "_db")
	if !simulated {
		reaches("api", true)
		reaches("stranger", true)
	}

	admit := policy("db", `podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]`)
	out := s.says(admit, "apply", "-f", "-")
	contains(t, out, "Warning:", s.ns+"_db", "are replaced")
	if strings.Contains(out, "stranger") {
		t.Errorf("who is not concerned is named: %s", out)
	}
	eventually(t, waitShort, func() error {
		if on := s.networks(s.ns + "_db"); on == flat || !strings.HasPrefix(on, "skep_np_") || strings.Contains(on, " "+flat) {
			return fmt.Errorf("the database is on %s", on)
		}
		return nil
	})
	if !simulated {
		reaches("api", true)
		reaches("stranger", false)
	}
	if on := s.networks(s.ns + "_pod_stranger"); on != flat {
		t.Errorf("who is not concerned was moved from %s to %s", flat, on)
	}
	if again := s.says(admit, "apply", "-f", "-"); strings.Contains(again, "replaced") {
		t.Errorf("the same policy once more replaces nothing, and says %s", again)
	}
	contains(t, s.kubectl("describe", "networkpolicy", "db"), "app=db", "app=api")

	contains(t, s.says("", "delete", "networkpolicy", "db"), "Warning:", s.ns+"_db", "are replaced")
	eventually(t, waitShort, func() error {
		if on := s.networks(s.ns + "_db"); on != flat {
			return fmt.Errorf("without a policy the database is on %s", on)
		}
		return nil
	})
	if !simulated {
		reaches("stranger", true)
		reaches("api", true)
	}
}

// What overlays cannot say is refused, with the field and the reason.
func TestNetworkPolicyRefusals(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const all = `podSelector: {}, `
	for _, c := range []struct{ spec, field, reason string }{
		{all + `ingress: [{ports: [{port: 80}]}]`, "spec.ingress[0].ports", "who shares an overlay reaches every port"},
		{all + `ingress: [{from: [{podSelector: {}}]}, {from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]`, "spec.ingress[1].from[0].ipBlock", "routing mesh"},
		{all + `policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]`, "spec.egress[0].to[0].ipBlock", "everywhere or nowhere"},
		{all + `policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: 5432}]}]`, "spec.egress[0].ports", "every port"},
	} {
		contains(t, s.refused(policy("bad", c.spec), "create", "-f", "-"), c.field, c.reason)
	}
	if left := s.kubectl("get", "networkpolicy", "-o", "name"); left != "" {
		t.Errorf("refused, and there is %s", left)
	}
	out := s.says(policy("dns", `podSelector: {matchLabels: {app: none}}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]`), "create", "-f", "-")
	contains(t, out, "Warning:", "DNS needs no rule")
}
