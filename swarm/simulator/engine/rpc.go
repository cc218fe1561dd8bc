package engine

import (
	"context"
	"time"

	"google.golang.org/grpc/status"
)

// requestTimeout is how long a call of the control API may take; dockerd's own limit.
const requestTimeout = 20 * time.Second

// message is a pointer to a protobuf message.
type message[T any] interface {
	*T
	Marshal() ([]byte, error)
	Unmarshal(data []byte) error
}

// call calls a method of the control API as dockerd does through gRPC: with a deadline, with a request that has been on
// the wire, where empty maps and lists get lost, and with every error a status, those that SwarmKit left plain of code
// Unknown. Clients see the words "rpc error: code = Unknown desc = update out of sequence", and some read them.
func call[T, Response any, Request message[T]](method func(context.Context, Request) (Response, error), request Request) (Response, error) {
	var none Response
	wire, err := request.Marshal()
	if err != nil {
		return none, err
	}
	received := Request(new(T))
	if err := received.Unmarshal(wire); err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	response, err := method(ctx, received)
	if err == nil {
		return response, nil
	}
	s, ok := status.FromError(err)
	if !ok {
		s = status.FromContextError(err)
	}
	return none, s.Err()
}
