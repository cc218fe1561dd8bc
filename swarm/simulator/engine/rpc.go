package engine

import (
	"context"
	"time"

	"google.golang.org/grpc/status"
)

// requestTimeout is how long a call of the control API may take; dockerd's own limit.
const requestTimeout = 20 * time.Second

// call calls a method of the control API as dockerd does through gRPC: with a deadline, and with every error a status,
// those that SwarmKit left plain of code Unknown. Clients see the words "rpc error: code = Unknown desc = update out of
// sequence", and some read them.
func call[Request, Response any](method func(context.Context, Request) (Response, error), request Request) (Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	response, err := method(ctx, request)
	if err == nil {
		return response, nil
	}
	s, ok := status.FromError(err)
	if !ok {
		s = status.FromContextError(err)
	}
	return response, s.Err()
}
