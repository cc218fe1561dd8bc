package gateway

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
)

// sharedPod is an object as a watch cache gives it to all of its watches.
type sharedPod struct{ *corev1.Pod }

var _ runtime.CacheableObject = sharedPod{}

func (p sharedPod) CacheEncode(runtime.Identifier, func(runtime.Object, io.Writer) error, io.Writer) error {
	return nil
}
func (p sharedPod) GetObject() runtime.Object { return p.Pod }

// source is a watch cache with one watch.
type source struct {
	storage.Interface
	from *watch.FakeWatcher
}

func (s source) Watch(context.Context, string, storage.ListOptions) (watch.Interface, error) {
	return s.from, nil
}

func backlogOf(t *testing.T) (s source, to watch.Interface) {
	t.Helper()
	s.from = watch.NewFake() // without room: what is sent was taken
	to, err := patient{Interface: s}.Watch(t.Context(), "", storage.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Stop)
	return s, to
}

func somePod(name string, version int) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), ResourceVersion: fmt.Sprint(version)}}
}

func (s source) tell(kind watch.EventType, name string, version int) {
	s.from.Action(kind, sharedPod{somePod(name, version)})
}

// heard are all events until the watch ends, or until last was heard.
func heard(t *testing.T, w watch.Interface, last string) []string {
	t.Helper()
	var all []string
	for {
		select {
		case ev, open := <-w.ResultChan():
			if !open {
				return all
			}
			o, ok := ev.Object.(metav1.Object)
			if !ok {
				t.Fatalf("told of %T", ev.Object)
			}
			all = append(all, fmt.Sprintf("%s %s@%s", ev.Type, o.GetName(), o.GetResourceVersion()))
			if all[len(all)-1] == last {
				return all
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing more was told after %q", all)
		}
	}
}

// Who listens hears of everything, at once.
func TestBacklogOfTheQuick(t *testing.T) {
	s, to := backlogOf(t)
	for i := range 300 {
		s.tell(watch.Modified, "a", i)
		if got, want := heard(t, to, fmt.Sprintf("MODIFIED a@%d", i)), fmt.Sprintf("MODIFIED a@%d", i); len(got) != 1 {
			t.Fatalf("told of %q, not of %s alone", got, want)
		}
	}
}

// Who is late is not waited for, and hears of the last state of each object, in order. What the first event of an
// object was, and that one ended, is never lost.
func TestBacklogOfTheLate(t *testing.T) {
	s, to := backlogOf(t)
	version := 0
	next := func() int { version++; return version }
	for i := range 2 * backlogReady {
		s.tell(watch.Modified, fmt.Sprint("first", i), next()) // more than is handed on ahead
	}
	for _, name := range []string{"new", "gone"} {
		s.tell(watch.Added, name, next())
	}
	for range 1000 {
		for _, name := range []string{"new", "old", "ends"} {
			s.tell(watch.Modified, name, next())
		}
	}
	s.from.Action(watch.Bookmark, somePod("", version)) // is no reason to take no more
	for i := range 2 * backlogOwn {
		s.tell(watch.Modified, fmt.Sprint("other", i), next())
	}
	s.tell(watch.Deleted, "gone", next())
	s.tell(watch.Deleted, "ends", next())
	s.tell(watch.Added, "ends", next())
	s.from.Stop()
	all := heard(t, to, "")
	if len(all) > 2*backlogReady+2*backlogOwn+10 {
		t.Errorf("%d events were kept", len(all))
	}
	at := slices.Index(all, fmt.Sprintf("ADDED gone@%d", 2*backlogReady+2))
	if at < 0 {
		t.Fatalf("told of %q", all)
	}
	mark := version - 3 - 2*backlogOwn
	want := []string{fmt.Sprintf("ADDED new@%d", mark-2), fmt.Sprintf("MODIFIED old@%d", mark-1), fmt.Sprintf("MODIFIED ends@%d", mark), fmt.Sprintf("BOOKMARK @%d", mark)}
	for i := range 2 * backlogOwn {
		want = append(want, fmt.Sprintf("MODIFIED other%d@%d", i, mark+1+i))
	}
	want = append(want,
		fmt.Sprintf("DELETED gone@%d", version-2), fmt.Sprintf("DELETED ends@%d", version-1), fmt.Sprintf("ADDED ends@%d", version),
	)
	if got := all[at+1:]; !slices.Equal(got, want) {
		t.Errorf("told of %q, not %q", got, want)
	}
}

// What a watch begins with is its own, and may be all of a large cluster: it is not taken ahead.
// A bookmark ends what a watch begins with: who lists by a watch takes what came before it for all that there is. So no
// object may go from before a bookmark to behind it, however late the client is.
func TestBacklogKeepsBookmarks(t *testing.T) {
	s, to := backlogOf(t)
	for i := range backlogReady + 1 { // more than is handed on before the client takes one
		s.tell(watch.Added, fmt.Sprint("early", i), 1)
	}
	s.tell(watch.Added, "web", 2)
	s.from.Action(watch.Bookmark, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "mark", ResourceVersion: "2"}})
	s.tell(watch.Modified, "web", 3)
	all := heard(t, to, "MODIFIED web@3")
	want := []string{"ADDED web@2", "BOOKMARK mark@2", "MODIFIED web@3"}
	if got := all[len(all)-len(want):]; !slices.Equal(got, want) {
		t.Errorf("the end is %q, not %q", got, want)
	}
}

func TestBacklogOfOwnEvents(t *testing.T) {
	s, to := backlogOf(t)
	sent := make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		for ; n < 10_000; n++ {
			select {
			case <-t.Context().Done():
				return
			default:
				s.from.Action(watch.Added, somePod(fmt.Sprint("p", n), n+1))
			}
		}
		s.from.Stop()
	}()
	time.Sleep(50 * time.Millisecond)
	if waiting := len(to.ResultChan()); waiting > backlogReady {
		t.Errorf("%d events are ready", waiting)
	}
	select {
	case n := <-sent:
		t.Errorf("all %d events were taken with nobody listening", n)
	default:
	}
	began := time.Now()
	go func() { <-sent }()
	if all := heard(t, to, ""); len(all) != 10_000 {
		t.Errorf("%d events, not 10,000", len(all))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("10,000 events took %v", took)
	}
}

// A watch that is stopped with events left ends.
func TestBacklogStops(t *testing.T) {
	s, to := backlogOf(t)
	for i := range 3 * backlogReady {
		s.tell(watch.Modified, fmt.Sprint("p", i), i)
	}
	to.Stop()
	to.Stop()
	heard(t, to, "") // returns once the channel is closed
}
