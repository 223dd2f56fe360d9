// Package dedupe recognises events that were accepted before.
package dedupe
