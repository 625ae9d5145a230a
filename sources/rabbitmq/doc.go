// Package rabbitmq reads queues of RabbitMQ, of Amazon MQ or any other.
package rabbitmq
