"""An application's settings, and the way to Redis that they describe.

Neither is looked for before it is needed: an application is made when its module is imported, which a test or a
web process may do without any Redis.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from heijunka.app.connections import Connections
from heijunka.config import SETTINGS, Settings, did_you_mean, load_settings
from heijunka.errors import UnknownSetting
from heijunka.keys import DomainKeys, domain_keys, valid_name


class Connected:
    """What has a name, settings and connections.

    Parameters:
        name: what it is called; also its namespace in Redis unless the settings name another.
        settings: override every other source.

    Raises:
        InvalidName: the name has other characters than `a-z 0-9 _ . -`.
        UnknownSetting: there is no such setting, with the nearest name as a hint.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        self.name = valid_name(name, "application")
        for setting in settings:
            if setting not in SETTINGS:
                raise UnknownSetting(
                    f"there is no setting {setting!r}",
                    hint=did_you_mean(setting, SETTINGS),
                    setting=setting,
                    origin="argument",
                )
        self._overrides: dict[str, tuple[str, Any]] = {key: ("argument", value) for key, value in settings.items()}

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when they are first needed."""
        values = {key: value for key, (_, value) in self._overrides.items()}
        origins = {key: origin for key, (origin, _) in self._overrides.items()}
        return load_settings(values, origins=origins)

    def override(self, values: Mapping[str, Any], origin: str) -> None:
        """Override settings, as the command line does; whatever was connected is closed.

        Parameters:
            values: settings by name.
            origin: where they come from, as `config show --origin` shows it.
        """
        self.close()
        self._overrides |= {key: (f"{origin} --{key.replace('_', '-')}", value) for key, value in values.items()}
        for derived in ("settings", "connections", "namespace", "max_payload"):
            self.__dict__.pop(derived, None)

    @cached_property
    def namespace(self) -> str:
        """What separates it from other applications on one Redis."""
        return self.settings.namespace or self.name

    @cached_property
    def max_payload(self) -> int:
        """The most bytes that the encoded arguments of a call may take."""
        return self.settings.max_payload

    @cached_property
    def connections(self) -> Connections:
        """The clients, opened when they are first needed."""
        return Connections(self.settings)

    def keys(self, domain: str) -> DomainKeys:
        """The keys of one of its domains in Redis.

        Parameters:
            domain: its name.

        Returns:
            Their names, one attribute for each.

        Raises:
            InvalidName: no domain can have this name.

        Example:
            >>> Heijunka("shop", namespace="shop").keys("payment").scheduled
            '{shop:payment}:scheduled'
        """
        return domain_keys(self.namespace, domain)

    def redis_url(self) -> str:
        """Where Redis is; starts the embedded server when none is configured.

        Returns:
            Its URL, with the password if it has one.

        Raises:
            ServerError: the embedded server does not start.

        Example:
            >>> Heijunka("shop", redis_url="redis://cache:6379/0").redis_url()
            'redis://cache:6379/0'
        """
        return self.connections.url

    @property
    def uses_embedded_server(self) -> bool:
        """Whether Redis is the embedded server now, because none is configured."""
        return self.connections.uses_embedded_server

    def server_ms(self) -> int:
        """Now by Redis's clock, which this host's clock carries on for a minute.

        Returns:
            ms since the epoch.

        Raises:
            BrokerError: Redis had to be asked, and did not answer.
        """
        return self.connections.server_ms()

    async def aserver_ms(self) -> int:
        """Now by Redis's clock. See `server_ms`.

        Returns:
            ms since the epoch.
        """
        return await self.connections.aserver_ms()

    def close(self) -> None:
        """Close its connections; the next call opens them again. In a coroutine, see `aclose`.

        Example:
            >>> with app:  # doctest: +SKIP
            ...     charge.enqueue(order, amount)
        """
        opened = self.__dict__.get("connections")
        if opened is not None:
            opened.close()

    async def aclose(self) -> None:
        """Close its connections, the running event loop's included; the next call opens them again.

        Example:
            >>> async with app:  # doctest: +SKIP
            ...     await charge.aenqueue(order, amount)
        """
        opened = self.__dict__.get("connections")
        if opened is not None:
            await opened.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()
