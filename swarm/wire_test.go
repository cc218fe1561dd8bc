package swarm

import (
	"reflect"
	"strings"
	"testing"

	swarmapi "github.com/moby/swarmkit/v2/api"
	"google.golang.org/grpc/mem"
)

func aWholeTask(id string) *swarmapi.Task {
	labels := map[string]string{"skep.object": strings.Repeat("{}", 300)}
	return &swarmapi.Task{
		ID: id, ServiceID: "s", Slot: 3, NodeID: "n", Meta: swarmapi.Meta{Version: swarmapi.Version{Index: 70}},
		Spec: swarmapi.TaskSpec{
			Runtime:  &swarmapi.TaskSpec_Container{Container: &swarmapi.ContainerSpec{Image: "nginx", Env: []string{"A=1"}}},
			Networks: []*swarmapi.NetworkAttachmentConfig{{Target: "net"}},
		},
		Annotations:        swarmapi.Annotations{Name: "web.3"},
		ServiceAnnotations: swarmapi.Annotations{Name: "web", Labels: labels},
		Status: swarmapi.TaskStatus{State: swarmapi.TaskStateRunning, RuntimeStatus: &swarmapi.TaskStatus_Container{
			Container: &swarmapi.ContainerStatus{ContainerID: "c", PID: 4},
		}},
		DesiredState: swarmapi.TaskStateRunning,
		Networks: []*swarmapi.NetworkAttachment{{
			Network: &swarmapi.Network{
				ID: "net", Spec: swarmapi.NetworkSpec{Annotations: swarmapi.Annotations{Name: "skep"}, Ingress: true},
				DriverState: &swarmapi.Driver{Name: "overlay"}, IPAM: &swarmapi.IPAMOptions{Driver: &swarmapi.Driver{Name: "default"}},
			},
			Addresses: []string{"10.0.0.3/24"},
		}},
		Endpoint:     &swarmapi.Endpoint{Spec: &swarmapi.EndpointSpec{}},
		JobIteration: &swarmapi.Version{Index: 9},
		Volumes:      []*swarmapi.VolumeAttachment{{ID: "v", Source: "a", Target: "b"}},
	}
}

func ofTask(action swarmapi.WatchActionKind, task *swarmapi.Task) *swarmapi.WatchMessage_Event {
	return &swarmapi.WatchMessage_Event{Action: action, Object: &swarmapi.Object{Object: &swarmapi.Object_Task{Task: task}}}
}

// A message is what it was, but for what is cut out of its tasks.
func TestSlimCodec(t *testing.T) {
	service := &swarmapi.WatchMessage_Event{Action: swarmapi.WatchActionKindCreate, Object: &swarmapi.Object{Object: &swarmapi.Object_Service{
		Service: &swarmapi.Service{
			ID: "known", Spec: swarmapi.ServiceSpec{Annotations: swarmapi.Annotations{Name: "web", Labels: map[string]string{"a": "b"}}},
			Endpoint: &swarmapi.Endpoint{Spec: &swarmapi.EndpointSpec{}},
		},
	}}}
	with := func(known, other *swarmapi.Task) *swarmapi.WatchMessage {
		return &swarmapi.WatchMessage{Version: &swarmapi.Version{Index: 71}, Events: []*swarmapi.WatchMessage_Event{
			ofTask(swarmapi.WatchActionKindUpdate, known), service, ofTask(swarmapi.WatchActionKindCreate, other),
		}}
	}
	data, err := with(aWholeTask("known"), aWholeTask("new")).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	slim := func(task *swarmapi.Task) *swarmapi.Task {
		task.ServiceAnnotations, task.Endpoint = swarmapi.Annotations{}, nil
		task.Networks[0].Network.DriverState, task.Networks[0].Network.IPAM = nil, nil
		return task
	}
	known := slim(aWholeTask("known"))
	known.Spec = swarmapi.TaskSpec{}
	want := with(known, slim(aWholeTask("new")))
	got := &swarmapi.WatchMessage{}
	codec := newSlimCodec(func(id string) bool { return id == "known" })
	// As gRPC gives it: in pieces.
	pieces := mem.BufferSlice{mem.SliceBuffer(data[:100]), mem.SliceBuffer(data[100:])}
	if err := codec.Unmarshal(pieces, got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %v\nnot  %v", got, want)
	}
	if !isCut(got.Events[0].Object.GetTask()) || isCut(got.Events[2].Object.GetTask()) || isCut(nil) {
		t.Error("which of the tasks came without its spec is not seen")
	}
}

// Whatever comes, nothing but a cut is done to it.
func FuzzSlimCodec(f *testing.F) {
	for _, task := range []string{"known", "new"} {
		message := &swarmapi.WatchMessage{Events: []*swarmapi.WatchMessage_Event{ofTask(swarmapi.WatchActionKindUpdate, aWholeTask(task))}}
		data, err := message.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	codec := newSlimCodec(func(id string) bool { return id == "known" })
	f.Fuzz(func(t *testing.T, data []byte) {
		out := codec.message(nil, data)
		if whole := (&swarmapi.WatchMessage{}); whole.Unmarshal(data) == nil {
			if err := (&swarmapi.WatchMessage{}).Unmarshal(out); err != nil {
				t.Errorf("what could be read cannot be any more: %v", err)
			}
		}
		if again := codec.message(nil, out); string(again) != string(out) {
			t.Errorf("cut twice, it is %x, not %x", again, out)
		}
	})
}
