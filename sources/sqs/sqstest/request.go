package sqstest

import "context"

// request is a decoded call.
type request interface {
	// target is the queue's URL, or its name, or "".
	target() string
	// entries are the messages or batch entries that the call names.
	entries() []Entry
	// run does the call and returns the JSON of its answer, or an *Error.
	run(ctx context.Context, x exchange) ([]byte, error)
}

// exchange is what a running call knows of its surroundings.
type exchange struct {
	server *Server
	fault  Fault
	base   string // scheme and host of queue URLs
	host   string // of the call
}

// newRequest returns an empty request of the action, nil if there is none.
func newRequest(action string) request {
	switch action {
	case "ReceiveMessage":
		return &receiveMessage{}
	case "DeleteMessage":
		return &deleteMessage{}
	case "DeleteMessageBatch":
		return &deleteMessageBatch{}
	case "SendMessage":
		return &sendMessage{}
	case "SendMessageBatch":
		return &sendMessageBatch{}
	case "ChangeMessageVisibility":
		return &changeVisibility{}
	case "ChangeMessageVisibilityBatch":
		return &changeVisibilityBatch{}
	case "GetQueueUrl":
		return &getQueueURL{}
	case "GetQueueAttributes":
		return &getQueueAttributes{}
	case "SetQueueAttributes":
		return &setQueueAttributes{}
	case "CreateQueue":
		return &createQueue{}
	case "DeleteQueue":
		return &deleteQueue{}
	case "PurgeQueue":
		return &purgeQueue{}
	case "ListQueues":
		return &listQueues{}
	default:
		return nil
	}
}

// given is the value of a number that may be missing.
func given(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// onQueue is the part that most requests share.
type onQueue struct {
	QueueURL string `json:"QueueUrl"`
}

func (r *onQueue) target() string { return r.QueueURL }

// entries is the answer of the requests that name no message.
func (r *onQueue) entries() []Entry { return nil }
