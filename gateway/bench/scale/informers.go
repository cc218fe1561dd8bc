package scale

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"skep/gateway/bench"
)

// perClient is how many informers share a connection, as those of one controller do.
const perClient = 10

// informers is many reflectors of client-go: half of them of the Pods of a namespace, half of its Deployments.
type informers struct {
	all     []*informer
	cancel  context.CancelFunc
	running sync.WaitGroup
}

type informer struct {
	*witness
	of subject
}

// subject is what an informer is about.
type subject struct{ resource, namespace string }

func (s subject) listWatch(client *kubernetes.Clientset) (*cache.ListWatch, runtime.Object) {
	if s.resource == "pods" {
		return cache.NewListWatchFromClient(client.CoreV1().RESTClient(), s.resource, s.namespace, fields.Everything()), &corev1.Pod{}
	}
	return cache.NewListWatchFromClient(client.AppsV1().RESTClient(), s.resource, s.namespace, fields.Everything()), &appsv1.Deployment{}
}

// typed is a client as controllers use it, with a connection of its own.
func typed(config *rest.Config) (*kubernetes.Clientset, error) {
	config = rest.CopyConfig(config)
	config.ContentType, config.QPS = "application/vnd.kubernetes.protobuf", -1
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.Dial = new(net.Dialer).DialContext // client-go shares connections between configs that have the same one
	return kubernetes.NewForConfig(config)
}

// inform starts so many informers. What they complain about while the server is away is left out: it is expected.
func inform(ctx context.Context, server *bench.Client, count int) (*informers, error) {
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, logr.Discard()))
	s := &informers{cancel: cancel}
	var client *kubernetes.Clientset
	for i := range count {
		if i%perClient == 0 {
			var err error
			if client, err = typed(server.Config()); err != nil {
				s.stop()
				return nil, err
			}
		}
		// The informers of a connection are of all namespaces, and of both kinds by turns.
		in := &informer{newWitness(), subject{[]string{"pods", "deployments"}[(i+i/namespaces)%2], namespaceName(i)}}
		lw, example := in.of.listWatch(client)
		silent := logr.Discard()
		reflector := cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(lw, client), example, in.witness,
			cache.ReflectorOptions{Name: in.of.resource, Logger: &silent})
		s.running.Go(func() { reflector.RunWithContext(ctx) })
		s.all = append(s.all, in)
	}
	return s, nil
}

func (s *informers) stop() {
	s.cancel()
	s.running.Wait()
}

// truth is what fresh lists say of all that informers are about.
type truth map[subject]map[string]sighting

func (s *informers) look(ctx context.Context, server *bench.Client) (truth, error) {
	client, err := typed(server.Config())
	if err != nil {
		return nil, err
	}
	found := truth{}
	for _, in := range s.all {
		if found[in.of] != nil {
			continue
		}
		lw, _ := in.of.listWatch(client)
		list, err := lw.ListWithContextFunc(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		var items []any
		if err := meta.EachListItem(list, func(o runtime.Object) error { items = append(items, o); return nil }); err != nil {
			return nil, err
		}
		if found[in.of], err = sightAll(items); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// behind is how many informers do not hold what there is.
func (s *informers) behind(now truth) int {
	behind := 0
	for _, in := range s.all {
		if !in.equals(now[in.of]) {
			behind++
		}
	}
	return behind
}

// converge waits until every informer holds what fresh lists say, and returns that and when the last of them was told
// of anything.
func (s *informers) converge(ctx context.Context, server *bench.Client) (truth, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		now, err := s.look(ctx, server)
		if err != nil {
			return nil, time.Time{}, err
		}
		behind := 0
		for range 20 {
			if behind = s.behind(now); behind == 0 {
				return now, s.last(), nil
			}
			if pause(ctx, 200*time.Millisecond) != nil {
				return now, s.last(), fmt.Errorf("%d of %d informers hold something else than fresh lists say: %s",
					behind, len(s.all), s.difference(now))
			}
		}
	}
}

func (s *informers) last() time.Time {
	var last time.Time
	for _, in := range s.all {
		in.mu.Lock()
		if in.last.After(last) {
			last = in.last
		}
		in.mu.Unlock()
	}
	return last
}

// difference describes the first informer that is behind.
func (s *informers) difference(now truth) string {
	for _, in := range s.all {
		if in.equals(now[in.of]) {
			continue
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		for key, want := range now[in.of] {
			if got := in.known[key]; got != want {
				return fmt.Sprintf("%v: %s is %v, not %v", in.of, key, got, want)
			}
		}
		return fmt.Sprintf("%v: has %d objects, not %d", in.of, len(in.known), len(now[in.of]))
	}
	return "none"
}

// faults are all events that must not have been.
func (s *informers) faults(now truth) []string {
	var all []string
	for _, in := range s.all {
		for _, fault := range in.faults(now[in.of]) {
			all = append(all, fmt.Sprintf("%s of %s: %s", in.of.resource, in.of.namespace, fault))
		}
	}
	slices.Sort(all)
	return all
}

// counts are the events and lists that all were told.
func (s *informers) counts() (events, lists int) {
	for _, in := range s.all {
		in.mu.Lock()
		events, lists = events+in.events, lists+in.lists
		in.mu.Unlock()
	}
	return events, lists
}
