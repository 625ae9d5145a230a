// Package function runs functions that are written for AWS Lambda with
// github.com/aws/aws-lambda-go: whatever lambda.Start takes becomes a handler of a
// mapping, as it is.
//
//	handler, err := function.New(handle, function.Options{}) // instead of lambda.Start(handle)
//	mapping, err := esm.New(source, handler, esm.Config{FunctionARN: "arn:aws:lambda:…:function:orders"})
//
// # What a function sees
//
// The event document is AWS's. lambdacontext.FromContext gives the request ID of the
// invocation, which failure records name too, and Config.FunctionARN as the ARN of
// the function; there is no Cognito identity, client context or tenant. The context
// ends, and has a deadline, as Config.Timeout says. No environment variable is read or
// set, neither _HANDLER nor AWS_LAMBDA_RUNTIME_API need be there, and so the package
// variables of lambdacontext (FunctionName, FunctionVersion, MemoryLimitInMB,
// LogGroupName, LogStreamName) have what the process's environment gave them at its
// start: nothing, unless you set AWS_LAMBDA_FUNCTION_NAME and its kin for it.
//
// The result is encoded as on Lambda; an io.Reader is read to its end and closed. It
// counts with Config.ReportBatchItemFailures and Config.TumblingWindow, otherwise it
// is dropped. An error or a panic fails the batch. The error reaches the mapping as it
// is, so that an [esm.ThrottleError] within it is found.
//
// Of lambda.Option, those that change what a function sees are in [Options].
// WithSetEscapeHTML and WithSetIndent would change nothing here, and in place of
// WithEnableSIGTERM the program does after Run what is to be done at the end.
//
// # One invocation at a time
//
// A handler value of aws-lambda-go serves one invocation at a time: its Invoke
// returns a slice of a buffer that its next invocation writes to. So there are as
// many of them as there are invocations at once, each used by one. The function is
// the same, and is called concurrently by the lanes of the mapping: Lambda starts a
// process for each of them, here they are in one. A function that changes package
// variables needs a lock, or a func() lambda.Handler that makes it a function with
// variables of its own:
//
//	handler, err := function.New(func() lambda.Handler {
//		var seen int // by the invocations of one, after each other
//		return lambda.NewHandler(func(event events.SQSEvent) { seen += len(event.Records) })
//	}, function.Options{})
//
// So does a wrapper of a handler value, such as otellambda.WrapHandler.
package function
