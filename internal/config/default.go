package config

import "time"

// Byte counts of the defaults.
const (
	kibibyte = 1 << 10
	mebibyte = 1 << 20
	gibibyte = 1 << 30
)

// Default returns the configuration that no file and no environment changes.
// The shipped config.yaml says the same, which a test proves.
func Default() *Config {
	return &Config{
		Server: defaultServer(),
		Admin:  Admin{Listen: "127.0.0.1:8081"},
		Kafka: Kafka{
			ClientID: "postrider",
			Embedded: Embedded{
				Listen:       "127.0.0.1:9092",
				Dir:          "data/broker",
				Sync:         true,
				MaxBytes:     16 * mebibyte,
				SegmentBytes: 4 * mebibyte,
			},
			Topics: defaultTopics(),
			Publish: Publish{
				Budget:           2 * time.Second,
				MaxInFlightBytes: 64 * mebibyte,
				MaxBatchBytes:    mebibyte,
				Compression:      "snappy",
			},
		},
		Spool: Spool{
			Dir:          "data/spool",
			MaxBytes:     gibibyte,
			MinFree:      512 * mebibyte,
			SegmentBytes: 16 * mebibyte,
			DrainTimeout: 5 * time.Second,
		},
		Dedupe:     Dedupe{Window: 3 * day, MaxIDs: 2_000_000, Share: true},
		Quarantine: Quarantine{Enabled: true, Dir: "data/quarantine", MaxBytes: 64 * mebibyte, Keep: day},
		Replay:     Replay{ConfirmAbove: 100_000},
		Forward:    Forward{Listen: "127.0.0.1:8082"},
		Log:        Log{Level: "info", Format: "auto"},
		PII:        PII{Recipient: "clear"},
	}
}

func defaultServer() Server {
	return Server{
		Listen:            "127.0.0.1:8080",
		MaxBodyBytes:      10 * mebibyte,
		MaxInflatedBytes:  10 * mebibyte,
		MaxBufferedBytes:  64 * mebibyte,
		MaxConcurrent:     1024,
		MaxConnections:    2048,
		MaxHeaderBytes:    16 * kibibyte,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       60 * time.Second,
		ShutdownTimeout:   10 * time.Second,
		RetryAfter:        5 * time.Second,
	}
}

func defaultTopics() Topics {
	return Topics{
		Prefix:          "email",
		Partitions:      6,
		Create:          "missing",
		Retention:       Retention{Typed: 30 * day, Raw: 7 * day, Deadletter: 7 * day},
		MaxMessageBytes: 16 * mebibyte,
		Key:             "message",
		Templates: Templates{
			Outbound:   "{prefix}.{type}",
			Inbound:    "{prefix}.inbound.{type}",
			Raw:        "{prefix}.raw",
			Deadletter: "{prefix}.deadletter",
			All:        "{prefix}.all",
			Seen:       "{prefix}.seen",
			Replays:    "{prefix}.replays",
		},
	}
}
