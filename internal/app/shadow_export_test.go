package app

import (
	"context"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/webhook"
)

// ReadShadowBy has shadows read requests in another way; before Start.
func (a *App) ReadShadowBy(read func(context.Context, *normalize.Source, webhook.Verified, string) (normalize.Output, error)) {
	a.shadowing = read
}
