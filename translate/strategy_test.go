package translate

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func rolling(surge, unavailable string) appsv1.DeploymentStrategy {
	s, u := intstr.Parse(surge), intstr.Parse(unavailable)
	return appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &s, MaxUnavailable: &u}}
}

func TestPutStrategy(t *testing.T) {
	recreate := appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	for _, c := range []struct {
		name        string
		replicas    int32
		strategy    appsv1.DeploymentStrategy
		order       string
		parallelism uint64
	}{
		{"the default of one", 1, rolling("25%", "25%"), "start-first", 1},
		{"the default of ten: surge is rounded up", 10, rolling("25%", "25%"), "start-first", 3},
		{"unavailable is rounded down", 10, rolling("0", "25%"), "stop-first", 2},
		{"never both zero", 3, rolling("0", "1%"), "stop-first", 1},
		{"numbers", 10, rolling("4", "0"), "start-first", 4},
		{"more than there are", 2, rolling("0", "9"), "stop-first", 9},
		{"all of them", 4, rolling("0", "100%"), "stop-first", 0},
		{"all of them, started first", 4, rolling("100%", "0"), "start-first", 0},
		{"none yet", 0, rolling("25%", "25%"), "stop-first", 1},
		{"none yet, all of them", 0, rolling("100%", "0"), "start-first", 0},
		{"recreate", 4, recreate, "stop-first", 0},
	} {
		d := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &c.replicas, Strategy: c.strategy, MinReadySeconds: 3}}
		got := putStrategy(d)
		if got.Order != c.order || got.Parallelism != c.parallelism || got.Delay != 3*time.Second || got.FailureAction != "pause" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestGetStrategy(t *testing.T) {
	for _, c := range []struct {
		name     string
		config   *swarm.UpdateConfig
		strategy appsv1.DeploymentStrategy
		ready    int32
	}{
		{"none: task by task", nil, rolling("0", "1"), 0},
		{"all at once", &swarm.UpdateConfig{}, rolling("0", "100%"), 0},
		{"all at once, started first", &swarm.UpdateConfig{Order: "start-first"}, rolling("100%", "0"), 0},
		{"two at a time, with a delay", &swarm.UpdateConfig{Parallelism: 2, Order: "start-first", Delay: 2500 * time.Millisecond}, rolling("2", "0"), 2},
		{"more than Kubernetes can count", &swarm.UpdateConfig{Parallelism: 1 << 40}, rolling("0", "2147483647"), 0},
	} {
		var object Object = &appsv1.Deployment{}
		getStrategy(&swarm.ServiceSpec{UpdateConfig: c.config}, &object)
		spec := object.(*appsv1.Deployment).Spec
		if diff := differ(c.strategy, spec.Strategy); diff != "" || spec.MinReadySeconds != c.ready {
			t.Errorf("%s: %d\n%s", c.name, spec.MinReadySeconds, diff)
		}
		// And back again: what Get says is what Put makes of it.
		if back := pace(putStrategy(object.(*appsv1.Deployment))); c.config != nil && back.Parallelism != pace(c.config).Parallelism&(1<<31-1) && c.config.Parallelism < 1<<31 {
			t.Errorf("%s: back again it is %+v", c.name, back)
		}
	}
}
