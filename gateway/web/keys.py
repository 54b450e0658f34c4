"""What handlers find in the application."""

from aiohttp import web

from gateway.chat.ports import Cache, Ledger, Store
from gateway.chat.service import ChatService
from gateway.chat.sessions import Sessions
from gateway.web.counts import Counts
from gateway.web.timelines import Timelines

SERVICE = web.AppKey("service", ChatService)
STORE = web.AppKey("store", Store)
CACHE = web.AppKey("cache", Cache)
COUNTS = web.AppKey("counts", Counts)
LEDGER = web.AppKey("ledger", Ledger)
DAY_NANO = web.AppKey("day_nano", int)
TIMELINES = web.AppKey("timelines", Timelines)
SESSIONS = web.AppKey("sessions", Sessions)
