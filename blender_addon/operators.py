"""The buttons of the connection: test it, and start and stop a node on this machine."""

import bpy
from retac_shared.access import BadAddress, checked_address

from . import inbox, localnode
from .preferences import ADDRESS, preferences, results

PATIENCE = 6.0  # seconds for a node to answer
START = 30.0  # seconds for a node to be up


class RETAC_OT_connect(bpy.types.Operator):
    bl_idname = "retac.connect"
    bl_label = "Test Connection"
    bl_description = "Connect anew with the address and the key as they are now, and say what the node answers"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        inbox.reconnect()
        self.timer = context.window_manager.event_timer_add(0.1, window=context.window)
        self.left = PATIENCE / 0.1
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        self.left -= 1
        if inbox.link().state == "connecting" and inbox.talk is not None and self.left > 0:
            return {"PASS_THROUGH"}
        self.cancel(context)
        return self.tell()

    def cancel(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self.timer)

    def execute(self, context: bpy.types.Context) -> set[str]:
        inbox.reconnect()
        inbox.wait(lambda: inbox.link().state != "connecting", PATIENCE)
        return self.tell()

    def tell(self) -> set[str]:
        link = inbox.link()
        if link.state == "connected":
            welcome = link.welcome
            self.report(
                {"INFO"}, f"Connected to {welcome.application} as {welcome.owner}, {', '.join(welcome.devices)}"
            )
            return {"FINISHED"}
        self.report({"ERROR"}, link.sentence or f"no node answers at {inbox.address()}")
        return {"CANCELLED"}


class RETAC_OT_start_node(bpy.types.Operator):
    bl_idname = "retac.start_node"
    bl_label = "Start Local Node"
    bl_description = (
        "Start a render node on this machine; it ends with Blender, and its jobs go on when it is started again"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if localnode.running():
            cls.poll_message_set("A local node is running")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = preferences()
        try:
            address = checked_address(settings.address.strip())
            if not localnode.is_local(address):
                settings.address = address = ADDRESS
            localnode.start(bpy.path.abspath(settings.program), address, results("node"))
        except (localnode.CannotStart, BadAddress, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        inbox.reconnect()
        if not bpy.app.background:
            return {"FINISHED"}
        inbox.wait(lambda: inbox.link().state != "connecting" or not localnode.running(), START)
        if inbox.link().state == "connected":
            return {"FINISHED"}
        self.report({"ERROR"}, localnode.failure() or inbox.link().sentence)
        return {"CANCELLED"}


class RETAC_OT_stop_node(bpy.types.Operator):
    bl_idname = "retac.stop_node"
    bl_label = "Stop Local Node"
    bl_description = "Stop the node that was started here; its jobs go on when it is started again"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not localnode.running():
            cls.poll_message_set("No local node was started from this Blender")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        localnode.stop()
        return {"FINISHED"}


CLASSES = (RETAC_OT_connect, RETAC_OT_start_node, RETAC_OT_stop_node)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
