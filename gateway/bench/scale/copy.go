package scale

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"skep/gateway/bench"
)

// peerFlags switch off what would change the copies: the peer has no service accounts, and what it would add to Pods
// skep's do not have.
var peerFlags = []string{"--disable-admission-plugins=ServiceAccount,Priority,DefaultTolerationSeconds"}

// copyTo brings what a gateway shows of the namespaces to a peer that has no controllers: Deployments and Pods with
// their status, of the same size as they are in the gateway's answers.
func copyTo(ctx context.Context, peer, gateway *bench.Client) error {
	clients, err := newPool(peer, 8)
	if err != nil {
		return err
	}
	defer clients.close()
	for i := range namespaces {
		namespace := namespaceName(i)
		if _, err := peer.Do(ctx, createNamespace(namespace)); err != nil {
			return err
		}
		for path, kind := range map[string][2]string{
			deploymentsOf(namespace): {"apps/v1", "Deployment"}, podsOf(namespace): {"v1", "Pod"},
		} {
			items, err := listed(ctx, gateway, path)
			if err != nil {
				return err
			}
			err = clients.each(ctx, len(items), func(ctx context.Context, client *bench.Client, i int) error {
				items[i]["apiVersion"], items[i]["kind"] = kind[0], kind[1]
				return copyObject(ctx, client, path, items[i])
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func listed(ctx context.Context, client *bench.Client, path string) ([]object, error) {
	answer, err := client.Do(ctx, bench.Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return nil, err
	}
	var list struct{ Items []object }
	return list.Items, json.Unmarshal(answer.Body, &list)
}

// copyObject creates an object and then writes its status, and with it its managedFields: the peer's own record of these
// two writes would make the copy larger. An empty entry removes what is there.
func copyObject(ctx context.Context, client *bench.Client, path string, o object) error {
	metadata := o["metadata"].(object)
	status, managed := o["status"], metadata["managedFields"]
	if managed == nil {
		managed = []object{{}}
	}
	for _, key := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"} {
		delete(metadata, key)
	}
	delete(o, "status")
	if _, err := client.Do(ctx, bench.Request{Method: http.MethodPost, Path: path, Body: encode(o)}); err != nil {
		return fmt.Errorf("copy %v: %w", metadata["name"], err)
	}
	_, err := client.Do(ctx, bench.Request{
		Method: http.MethodPatch, Path: fmt.Sprintf("%s/%s/status", path, metadata["name"]),
		ContentType: "application/merge-patch+json",
		Body:        encode(object{"metadata": object{"managedFields": managed}, "status": status}),
	})
	if err != nil {
		return fmt.Errorf("copy the status of %v: %w", metadata["name"], err)
	}
	return nil
}
