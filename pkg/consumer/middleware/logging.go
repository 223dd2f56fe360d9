package middleware

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/postrider/postrider/pkg/consumer"
)

// Logging logs every call of the Handler: those that succeed at level debug, others as
// warnings. A line has the record's topic, partition and offset, the event's id, type
// and provider, the attempt, the duration, the outcome, and the error.
func Logging(log *zap.Logger) consumer.Middleware {
	return observe(func(m *consumer.Message, c call) {
		level, text := zapcore.DebugLevel, "record handled"
		if c.outcome != handled {
			level, text = zapcore.WarnLevel, "record not handled"
		}
		if entry := log.Check(level, text); entry != nil {
			entry.Write(append(fields(m), zap.Duration("duration", c.took), zap.String("outcome", c.outcome), zap.Error(c.err))...)
		}
	})
}

// fields are what names a record.
func fields(m *consumer.Message) []zap.Field {
	return []zap.Field{
		zap.String("topic", m.Topic), zap.Int("partition", m.Partition), zap.Int64("offset", m.Offset),
		zap.String("id", m.ID()), zap.String("type", string(m.Type())), zap.String("provider", m.Provider()), zap.Int("attempt", m.Attempt),
	}
}
