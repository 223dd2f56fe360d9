package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/labstack/echo/v4" //nolint:depguard // the yardstick is a bare Echo handler
)

// echoRole is the -role of the process that serves as the yardstick.
const echoRole = "echo"

// serveEcho is the yardstick: an Echo handler that reads the body and answers
// 200, the least that any receiver on this framework does. It writes the ready
// file, and ends with ctx or with the process that started it.
func serveEcho(ctx context.Context, readyFile string, parent io.Reader) error {
	return serveChild(ctx, readyFile, parent, echoHandler())
}

// echoHandler reads the body and answers 200 with an empty body.
func echoHandler() http.Handler {
	e := echo.New()
	e.POST("/v1/webhooks/:source", func(c echo.Context) error {
		if _, err := io.Copy(io.Discard, c.Request().Body); err != nil {
			return fmt.Errorf("bench: yardstick: read body: %w", err)
		}
		return c.NoContent(http.StatusOK)
	})
	return e
}

// writeReady writes a ready file in one step, so that no half of it is read.
func writeReady(file string, r ready) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("bench: ready file: %w", err)
	}
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return fmt.Errorf("bench: ready file: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("bench: ready file: %w", err)
	}
	return nil
}
