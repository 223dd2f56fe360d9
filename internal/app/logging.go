package app

import (
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/postrider/postrider/internal/config"
)

// Sampling of equal messages: an attack or an outage must not turn the log into
// the next outage. The first of a second are all written, then every hundredth.
const (
	sampleFirst      = 50
	sampleThereafter = 100
)

// NewLogger builds the logger: JSON for machines, console lines for a terminal.
// Foreign text is always quoted, never interpreted. The level can be changed
// while the logger is used.
func NewLogger(c config.Log, w io.Writer, terminal bool) (*zap.Logger, *zap.AtomicLevel, error) {
	level, err := zap.ParseAtomicLevel(c.Level)
	if err != nil {
		return nil, nil, fmt.Errorf("app: log.level: %w", err)
	}
	enc := encoder(c.Format, terminal)
	core := zapcore.NewCore(enc, &logSink{w: w, notice: droppedNotice(enc)}, level)
	return zap.New(zapcore.NewSamplerWithOptions(core, time.Second, sampleFirst, sampleThereafter)), &level, nil
}

// droppedNotice makes the line that tells of lines nobody took, in their form.
func droppedNotice(enc zapcore.Encoder) func(int) []byte {
	return func(dropped int) []byte {
		entry := zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(), Message: "log lines were dropped: nobody read them in time"}
		line, err := enc.Clone().EncodeEntry(entry, []zapcore.Field{zap.String("reason_code", "log_dropped"), zap.Int("lines", dropped)})
		if err != nil {
			return nil
		}
		return line.Bytes()
	}
}

// encoder picks the form; auto means console on a terminal and JSON elsewhere.
func encoder(format string, terminal bool) zapcore.Encoder {
	ec := zap.NewProductionEncoderConfig()
	ec.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	ec.TimeKey = "time"
	if format == "console" || (format == "auto" && terminal) {
		ec.EncodeLevel = zapcore.CapitalLevelEncoder
		if terminal {
			ec.EncodeLevel = zapcore.CapitalColorLevelEncoder
		}
		ec.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		return zapcore.NewConsoleEncoder(ec)
	}
	return zapcore.NewJSONEncoder(ec)
}
