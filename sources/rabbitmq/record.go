package rabbitmq

import (
	"cmp"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// leastLife is how long a message is at least handled: one that expires at once has been
// handed out because somebody was there to have it.
const leastLife = time.Second

// record is a delivery as the engine gets it. Native is the *amqp.Delivery.
func (l *link) record(i item, came time.Time) sources.Record {
	d := i.delivery
	r := sources.Record{
		ID: cmp.Or(d.MessageId, i.id), Data: d.Body, Native: d, Time: d.Timestamp, Size: i.size,
	}
	if life, ok := lifeOf(d); ok {
		r.Expires = came.Add(life)
	}
	if due := l.due(came); !due.IsZero() && (r.Expires.IsZero() || due.Before(r.Expires)) {
		r.Expires = due
	}
	return r
}

// due is when a message that came then is given back, so that the broker's consumer
// timeout does not strike; zero for never. With one lane all that is held is given back at
// once, so that order is kept.
func (l *link) due(came time.Time) time.Time {
	hold := l.partition.source.setup.hold
	if hold <= 0 {
		return time.Time{}
	}
	if l.partition.source.setup.lanes == 1 {
		if oldest := l.book.oldest(false); !oldest.IsZero() {
			came = oldest
		}
	}
	return came.Add(hold)
}

// lifeOf is how long a message lives from when it came, as its expiration says (MQ-41).
// It may be less, for the broker does not tell how long it had it; the time at which it was
// sent is by another clock.
func lifeOf(d *amqp.Delivery) (time.Duration, bool) {
	if d.Expiration == "" {
		return 0, false
	}
	const decimal, longest = 10, int64(1) << 40
	millis := int64(0)
	for _, c := range []byte(d.Expiration) {
		if c < '0' || c > '9' || millis > longest {
			return 0, false
		}
		millis = millis*decimal + int64(c-'0')
	}
	return max(time.Duration(millis)*time.Millisecond, leastLife), true
}

// size is how many bytes a delivery takes in the event document, with a comma.
func (s *Source) size(d *amqp.Delivery) int {
	var m eventjson.RabbitMQMessage
	viewDelivery(d, &m)
	return s.encoder.Size(&m) + len(",")
}

// view is what the event document tells of a record.
func view(r *sources.Record, m *eventjson.RabbitMQMessage) {
	if d, ok := r.Native.(*amqp.Delivery); ok {
		viewDelivery(d, m)
	}
}

func viewDelivery(d *amqp.Delivery, m *eventjson.RabbitMQMessage) {
	*m = eventjson.RabbitMQMessage{
		ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, Headers: d.Headers,
		DeliveryMode: d.DeliveryMode, Priority: d.Priority, CorrelationID: d.CorrelationId, ReplyTo: d.ReplyTo,
		Expiration: d.Expiration, MessageID: d.MessageId, Timestamp: d.Timestamp, Type: d.Type,
		UserID: d.UserId, AppID: d.AppId, Redelivered: d.Redelivered, Body: d.Body,
	}
}

// foreign reads header values of the client's own types.
func foreign(value any) (eventjson.RabbitMQForeign, bool) {
	switch v := value.(type) {
	case amqp.Table:
		return eventjson.RabbitMQForeign{IsTable: true, Table: v}, true
	case amqp.Decimal:
		return eventjson.RabbitMQForeign{Scale: v.Scale, Unscaled: v.Value}, true
	default:
		return eventjson.RabbitMQForeign{}, false
	}
}
