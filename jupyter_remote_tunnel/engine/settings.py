from ..model.settings import EngineSettings as EngineSettings
